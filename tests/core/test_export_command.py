"""`glulam export` as a user types it, with an exporter of a plug-in."""

import os
import subprocess
import sys

import pytest

from glulam import build, save

PAPER = """
import glulam

table = {"no": "function"}


def on_paper(policy, out, *, greedy, seed):
    print("thinking")
    if seed == 13:
        raise glulam.GlulamError("no such number on paper")
    out.write_text(f"{policy.resolved.name} in {policy.env.name}, {greedy}, {seed}")
    return [out, out.with_suffix(".json")]
"""


@pytest.fixture
def export(plugins, policy_file, env, registry, tmp_path):
    """Run `glulam export` on a checkpoint in a folder of its own."""
    plugins.add("paper", {"glulam.exporters": {"paper": "on_paper", "odd": "table"}}, PAPER)
    save(build(policy_file(), env, registry=registry), tmp_path / "policy.safetensors")

    def run(*arguments):
        variables = os.environ | {"PYTHONPATH": str(plugins.folder), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", "from glulam.cli import main; main()", "export", *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=variables, check=False)

    return run


def test_it_hands_the_policy_on_and_prints_what_was_written(export, tmp_path):
    done = export("policy.safetensors", "--to", "paper", "-o", "out.txt", "--greedy", "--seed", "4")
    assert (done.returncode, done.stdout) == (0, "out.txt\nout.json\n")
    assert "thinking" in done.stderr
    assert (tmp_path / "out.txt").read_text() == "toy in toy, True, 4"


def test_it_goes_to_another_world(export, tmp_path, env):
    import yaml

    (tmp_path / "other.yaml").write_text(yaml.safe_dump(env.obs_meta() | {"name": "other"}))
    done = export("policy.safetensors", "--to", "paper", "-o", "out.txt", "--env", "other.yaml")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.txt").read_text() == "toy in other, None, None"


@pytest.mark.parametrize(
    ("arguments", "returncode", "words"),
    [
        (("none.safetensors", "--to", "paper", "-o", "x"), 1, "error: there is no checkpoint none.safetensors"),
        (("policy.safetensors", "--to", "papr", "-o", "x"), 1, "GL201 unknown exporter 'papr'; write 'paper'"),
        (("policy.safetensors", "--to", "odd", "-o", "x"), 1, "{'no': 'function'}, no function that exports"),
        (("policy.safetensors", "--to", "paper", "-o", "x", "--seed", "13"), 1, "error: no such number on paper"),
        (("policy.safetensors", "--to", "paper", "-o", "x", "--seed", "-1"), 2, "-1 is not in the range x>=0"),
        (("policy.safetensors", "-o", "x"), 2, "Missing option '--to'"),
        (("policy.safetensors", "--to", "paper"), 2, "Missing option '-o' / '--out'"),
    ],
)
def test_a_mistake_ends_with_what_to_type(export, arguments, returncode, words):
    done = export(*arguments)
    assert (done.returncode, done.stdout) == (returncode, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
