"""`glulam inspect` shows names as they are."""

import attrs
import pytest
from click.testing import CliRunner

from glulam import build, save
from glulam.cli._inspect import inspect
from tests.core.conftest import POLICY


@pytest.mark.parametrize("name", ["ablation [/lr]", "wide [bold]x", "a :warning: b"])
def test_names_are_no_markup(policy_file, registry, env, tmp_path, name):
    world = attrs.evolve(env, name=f"{name} world")
    policy = build(policy_file(POLICY.replace("name: beam", f"name: '{name}'")), world, registry=registry)
    save(policy, tmp_path / "policy.safetensors")
    done = CliRunner().invoke(inspect, [str(tmp_path / "policy.safetensors")], catch_exceptions=False)
    lines = done.output.splitlines()
    assert lines[0] == f"policy       {name} (1 values, float32)"
    assert lines[1] == f"environment  {name} world: 2 features, 0 tags, 3 actions"
    assert lines[-1].split() == ["layers.logit_table.module.weight", "[]", "float32"]
