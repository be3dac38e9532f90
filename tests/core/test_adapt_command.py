"""`glulam adapt`: what it prints, what it writes, and that it writes nothing when it fails."""

import json
import os
import subprocess
import sys
from textwrap import dedent

import attrs
import pytest
import torch
from click.testing import CliRunner

import glulam
from glulam.cli._main import cli
from glulam.dump import dump_policy
from tests.core.moving import NAMES, NEW, OLD, step_in


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a trained policy and the specs of worlds."""
    found = tmp_path_factory.mktemp("adapt")
    (found / "names.yaml").write_text(NAMES, encoding="utf-8")
    torch.manual_seed(1)
    glulam.save(glulam.build(found / "names.yaml", OLD), found / "policy.safetensors")
    glulam.save(glulam.build("fast", OLD), found / "fast.safetensors")
    numbers = glulam.EnvSpec(name="pole", box=glulam.BoxLayout(shape=(3,)), actions=OLD.actions)
    wide = attrs.evolve(NEW, name="wide", view_width=13)
    for env in (OLD, NEW, numbers, wide):
        (found / f"{env.name}.yaml").write_text(dump_policy(env.obs_meta()), encoding="utf-8")
    return found


@pytest.fixture
def command(folder, monkeypatch):
    """Run `glulam adapt ...` in the folder."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        return CliRunner().invoke(cli, ["adapt", *map(str, arguments)])

    return run


def test_text(command):
    done = command("policy.safetensors", "--env", "new.yaml", "--alias", "metal=ore")
    assert done.exit_code == 0
    assert "\n".join(line.rstrip() for line in done.output.splitlines()) == dedent("""\
        policy       names, saved in old
        environment  new
        features     3 map, 2 of them under another number
        tags         1 map
        actions      2 map, 2 of them under another number
        alias        metal = ore

         kind     name   there  here  what becomes of it
         feature  tag    5      3     mapped
         feature  ore    2      4     mapped
         feature  wind   -      77    masked
         feature  heart  12     -     absent
         tag      wall   -      0     masked
         tag      altar  0      -     absent
         action   south  2      0     mapped
         action   noop   0      1     mapped
         action   jump   -      2     masked
         action   north  1      -     absent""")


def test_text_of_another_view_and_of_no_change(command):
    wide = command("policy.safetensors", "--env", "wide.yaml")
    assert "view         11 x 13, was 11 x 11\n" in wide.output
    same = command("policy.safetensors", "--env", "old.yaml").output
    assert same == (
        "policy       names, saved in old\nenvironment  old\nfeatures     4 map\ntags         2 map\n"
        "actions      3 map\nnothing has changed\n"
    )


def test_json_says_the_same_and_more(command, folder):
    out = folder / "json.safetensors"
    done = command("policy.safetensors", "--env", "new.yaml", "--learn", "--format", "json", "--out", out.name)
    report = json.loads(done.stdout)
    from glulam.adaptation import adapt

    found = adapt(folder / "policy.safetensors", NEW, learn_names=True)
    assert report == json.loads(json.dumps(found.to_dict())) | {"out": "json.safetensors"}
    assert {"kind": "tag", "name": "wall", "before": None, "after": 0, "fate": "learned"} in report["names"]
    assert report["layers"]["action_head"] == {"mapped": ["south", "noop", "jump"], "masked": [], "absent": ["north"]}
    assert out.exists()
    silent = command("policy.safetensors", "--env", "new.yaml", "--format", "json")
    assert json.loads(silent.stdout)["out"] is None


def test_what_it_writes_needs_no_alias_any_more(command, folder):
    out = folder / "aliased.safetensors"
    done = command("policy.safetensors", "--env", "new.yaml", "--alias", "metal=ore", "--out", out.name)
    assert done.output.endswith("\nwritten to aliased.safetensors\n")
    here, there = glulam.load(out), glulam.load(folder / "policy.safetensors", NEW, aliases={"metal": "ore"})
    assert here.env == NEW
    td = step_in(NEW)
    for key in ("logits", "values"):
        assert torch.equal(here.evaluate(td)[key], there.evaluate(td)[key])
    again = command(out.name, "--env", "new.yaml")
    assert "alias        metal = ore" in again.output


@pytest.mark.parametrize("alias", ["metal", "=ore", "metal=", "="])
def test_an_alias_that_is_none_is_a_wrong_use(command, folder, alias):
    done = command("policy.safetensors", "--env", "new.yaml", "--alias", alias, "--out", "none.safetensors")
    assert done.exit_code == 2
    words = f"--alias {alias}: write NEW=OLD, a name of the new environment and the policy's name for it"
    assert words in done.output
    assert not (folder / "none.safetensors").exists()


FAILURES = {
    "unknown here": (("policy.safetensors", "new.yaml", "--alias", "metl=ore"), "has no 'metl'; write 'metal'"),
    "unknown there": (("policy.safetensors", "new.yaml", "--alias", "metal=oer"), "has no 'oer'; write 'ore'"),
    "no checkpoint": (("nothing.safetensors", "new.yaml"), "there is no checkpoint nothing.safetensors"),
    "no policy in it": (("names.yaml", "new.yaml"), "names.yaml is cut off or no checkpoint"),
    "no spec": (("policy.safetensors", "nowhere.yaml"), "nowhere.yaml: GL107 cannot read the file"),
    "no environment": (("policy.safetensors", "village"), "'village' is no environment: write FAMILY:TASK"),
    "numbers": (("policy.safetensors", "pole.yaml"), "it shows float32 [3], it was tokens"),
    "no channel": (("fast.safetensors", "new.yaml"), "'metal', 'wind', 'tag:wall', for which the policy's box has no"),
    "another view": (("fast.safetensors", "wide.yaml"), "its view is 11 x 13, it was 11 x 11"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failure_is_told_and_writes_nothing(command, folder, case):
    (file, env, *more), words = FAILURES[case]
    done = command(file, "--env", env, *more, "--out", "failed.safetensors")
    assert isinstance(done.exception, glulam.GlulamError)
    assert words in str(done.exception)
    assert done.stdout == ""
    assert [path.name for path in folder.iterdir() if "failed" in path.name] == []


def test_a_place_that_cannot_be_written_is_told(command, folder):
    done = command("policy.safetensors", "--env", "new.yaml", "--out", "missing/policy.safetensors")
    assert str(done.exception) == "cannot write missing/policy.safetensors: No such file or directory"
    assert done.stdout == ""
    assert not (folder / "missing").exists()


def test_as_a_program(folder):
    """The exit code and stderr of a failure, and a report alone on stdout."""

    def run(*arguments):
        line = [sys.executable, "-c", "from glulam.cli import main; main()", "adapt", "policy.safetensors", *arguments]
        variables = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.run(line, capture_output=True, text=True, cwd=folder, env=variables, check=False)

    done = run("--env", "new.yaml", "--format", "json")
    assert (done.returncode, done.stderr, json.loads(done.stdout)["to"]) == (0, "", "new")
    failed = run("--env", "new.yaml", "--alias", "metal=oer")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == "error: alias 'metal' for 'oer': the policy has no 'oer'; write 'ore'\n"
