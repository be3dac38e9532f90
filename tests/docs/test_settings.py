"""The page on training names all settings, and those that a run may change, as they are."""

import re

import attrs

import glulam
from glulam_train.resume import FREE
from glulam_train.settings import TrainSettings
from tests.evidence.record import ROOT

PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
OF_THE_COMMAND = {"policy", "env"}


def test_the_table_has_each_setting():
    table = PAGE[PAGE.index("| setting |") :].split("\n\n")[0]
    named = [name for line in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", line.split("|")[1])]
    assert sorted(named) == sorted({field.name for field in attrs.fields(TrainSettings)} - OF_THE_COMMAND)


def test_what_may_change_is_what_resuming_takes():
    (line,) = [line for line in PAGE.splitlines() if line.startswith("To change where or how it runs")]
    assert set(re.findall(r"`(\w+)`", line)) == set(FREE)


def test_the_bytes_of_experience_are_those_of_the_policy():
    environment = glulam.environment_spec("mettagrid:forage")
    specs = glulam.build("fast", environment, losses=("ppo",)).experience_spec()
    segment = sum(spec.row_bytes for spec in specs.values() if spec.per == "segment")
    step = sum(spec.row_bytes for spec in specs.values() if spec.per == "step")
    whole = glulam.spec_bytes(specs, segments=128, horizon=32) / 2**20
    assert f"| `fast` in `mettagrid:forage` | {step:,} | {segment:,} | {whole:.1f} MiB |" in PAGE
