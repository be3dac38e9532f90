"""`registry.toml` says of our own distributions what their entry points say."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KINDS = ("commands", "environments", "exporters", "hooks", "layers", "losses", "policies")
INDEX = tomllib.loads((ROOT / "registry.toml").read_text(encoding="utf-8"))["distributions"]
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))


def _project(folder):
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_a_row_equals_the_entry_points(folder):
    project = _project(folder)
    row = INDEX[project["name"]]
    points = {group: sorted(names) for group, names in project["entry-points"].items()}
    assert {f"glulam.{kind}": row[kind] for kind in KINDS if kind in row} == points
    assert row["source"] == f"./plugins/{folder.name}"
    assert project["version"] in row["versions"]


def test_there_is_a_row_for_each_plugin_and_no_row_without_one():
    assert {name for name, row in INDEX.items() if row["source"].startswith("./")} == {
        _project(folder)["name"] for folder in PLUGINS
    }


@pytest.mark.parametrize("name", INDEX)
def test_a_row_has_these_fields(name):
    row = INDEX[name]
    assert set(row) <= {"summary", "source", "versions", *KINDS}
    assert row["summary"]
    assert row["versions"]
    assert any(row.get(kind) for kind in KINDS)


def test_no_two_distributions_claim_a_name():
    for kind in KINDS:
        names = [name for row in INDEX.values() for name in row.get(kind, ())]
        assert len(names) == len(set(names))
