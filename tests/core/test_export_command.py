"""`glulam export` as a user types it, with an exporter of a plug-in."""

import os
import subprocess
import sys

import pytest
import yaml
from click.testing import CliRunner

from glulam import GlulamError, build, save
from glulam.cli._export import export

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
def folder(plugins, policy_file, env, registry, tmp_path, monkeypatch):
    """The folder that a user is in: a checkpoint, and the exporters `paper` and `odd` installed."""
    plugins.add("paper", {"glulam.exporters": {"paper": "on_paper", "odd": "table"}}, PAPER)
    save(build(policy_file(), env, registry=registry), tmp_path / "policy.safetensors")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_hands_the_policy_on_and_prints_what_was_written(folder, plugins):
    variables = os.environ | {"PYTHONPATH": str(plugins.folder), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", "from glulam.cli import main; main()", "export", "policy.safetensors"]
    options = ["--to", "paper", "-o", "out.txt", "--greedy", "--seed", "4"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, env=variables, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "out.txt\nout.json\n", "thinking\n")
    assert (folder / "out.txt").read_text() == "beam in toy, True, 4"


def test_it_goes_to_another_world(folder, env):
    (folder / "other.yaml").write_text(yaml.safe_dump(env.obs_meta() | {"name": "other"}))
    done = CliRunner().invoke(
        export, ["policy.safetensors", "--to", "paper", "-o", "out.txt", "--env", "other.yaml", "--sampled"]
    )
    assert done.exit_code == 0, done.output
    assert (folder / "out.txt").read_text() == "beam in other, False, None"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("none.safetensors", "--to", "paper", "-o", "x"), "there is no checkpoint none.safetensors"),
        (("policy.safetensors", "--to", "papr", "-o", "x"), "GL201 unknown exporter 'papr'; write 'paper'"),
        (("policy.safetensors", "--to", "odd", "-o", "x"), "GL203 .*'no': 'function'}, no function that exports"),
        (("policy.safetensors", "--to", "paper", "-o", "x", "--seed", "13"), "no such number on paper"),
        (("policy.safetensors", "--to", "paper", "-o", "x", "--env", "toy"), "'toy' is no environment: write FAMILY"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_mistake_ends_with_what_to_type(arguments, words):
    """What is raised here is what the command line's `main` prints."""
    with pytest.raises(GlulamError, match=words):
        CliRunner().invoke(export, arguments, catch_exceptions=False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("policy.safetensors", "--to", "paper", "-o", "x", "--seed", "-1"), "-1 is not in the range x>=0"),
        (("policy.safetensors", "-o", "x"), "Missing option '--to'"),
        (("policy.safetensors", "--to", "paper"), "Missing option '-o' / '--out'"),
    ],
)
def test_a_mistyped_line_is_told(arguments, words):
    done = CliRunner().invoke(export, arguments)
    assert done.exit_code == 2
    assert words in done.output


def test_what_is_known_and_not_installed_has_a_remedy(folder, plugins, monkeypatch):
    monkeypatch.setenv("GLULAM_PLUGINS", "paper,boards")
    with pytest.raises(GlulamError, match="exporter 'onnx' comes from glulam-export .*blocked; add glulam-export to"):
        CliRunner().invoke(export, ["policy.safetensors", "--to", "onnx", "-o", "x"], catch_exceptions=False)
