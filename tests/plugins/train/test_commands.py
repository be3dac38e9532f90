"""`glulam train` and `glulam eval` as a user types them."""

import json
import shutil

import pytest
import yaml
from click.testing import CliRunner

from glulam import GlulamError
from glulam_train import commands

SMALL = ["--set", "num_envs=4", "--set", "horizon=8", "--set", "threads=1"]


def call(name, *arguments):
    """Run a command; what a user's mistake raises is what the command line's `main` prints."""
    return CliRunner().invoke(getattr(commands, name), [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def trained(toy_mill, tmp_path_factory):
    """The folder and the output of a small run; not to be written into."""
    out = tmp_path_factory.mktemp("trained") / "run"
    result = call("train", "toy", "--env", "toy:cues", "--steps", 200, "--seed", 3, "--out", out, *SMALL)
    assert result.exit_code == 0, result.output
    return out, result


def test_train_says_what_it_trains_how_far_it_is_and_where_things_are(trained):
    folder, result = trained
    assert result.stdout.splitlines() == [
        f"checkpoint  {folder / 'checkpoint.safetensors'}",
        f"curve       {folder / 'curve.png'}",
    ]
    lines = result.stderr.splitlines()
    assert lines[0].startswith("toy in toy:cues: 45 parameters, 8 agents, experience buffer 8 segments x 8 steps, ")
    assert "64 of 200 steps" in lines[1]
    assert "entropy" in lines[1]
    assert lines[-1].startswith("done: 256 agent-steps, return of recent episodes ")


def test_the_saved_settings_train_the_same_again(trained, tmp_path):
    folder, _ = trained
    again = tmp_path / "again"
    result = call("train", "--config", folder / "settings.yaml", "--out", again)
    assert result.exit_code == 0, result.output
    assert (again / "checkpoint.safetensors").read_bytes() == (folder / "checkpoint.safetensors").read_bytes()
    assert (again / "settings.yaml").read_text() == (folder / "settings.yaml").read_text()


def test_assignments_reach_settings_and_losses(tmp_path):
    out = tmp_path / "run"
    more = ["--set", "ppo.entropy_coef=0.5", "--set", "epochs=1", "--steps", 64]
    assert call("train", "toy", "--env", "toy:cues", "--out", out, *SMALL, *more).exit_code == 0
    saved = yaml.safe_load((out / "settings.yaml").read_text())
    assert saved["losses"] == [{"loss": "ppo", "entropy_coef": 0.5}]
    assert saved["epochs"] == 1


def test_eval_prints_the_report_as_json(trained):
    checkpoint = trained[0] / "checkpoint.safetensors"
    result = call("evaluate", checkpoint, "--env", "toy:cues", "--episodes", 20, "--seed", 7, "--format", "json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert list(report) == [
        "episodes",
        "return_mean",
        "return_ci95",
        "length_mean",
        "seed",
        "environment",
        "checkpoint",
    ]
    assert report["episodes"] == 20
    assert report["checkpoint"] == str(checkpoint)


@pytest.mark.parametrize(("episodes", "margin"), [(20, " ± "), (1, "")])
def test_eval_prints_one_line_for_people(trained, episodes, margin):
    checkpoint = trained[0] / "checkpoint.safetensors"
    result = call("evaluate", checkpoint, "--env", "toy:cues", "--episodes", episodes, "--greedy")
    [line] = result.stdout.splitlines()
    assert line.startswith("return ")
    assert (" ± " in line) == bool(margin)
    assert f"over {episodes} episodes of " in line
    assert line.endswith("in toy:cues, seed 0")


class TestMistakes:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["toy", "--env", "toy:cues", "--steps", "0"], "settings: steps is 0: write a whole number of at least 1"),
            (["toy", "--steps", "10"], "settings: env is missing: write an environment, such as mettagrid:forage"),
            (["--env", "toy:cues"], "settings: policy is missing: write the name or path of a policy, such as fast"),
            (["toy", "--env", "toy:none"], "no task 'none' in toy"),
            (["toy", "--env", "missing:cues"], "unknown environment 'missing'"),
            (["tyo", "--env", "toy:cues"], "unknown policy 'tyo'"),
            (["toy", "--env", "toy:cues", "--set", "losses=[nope]"], "unknown loss 'nope'"),
            (["toy", "--env", "toy:cues", "--set", "ppo.clop=1"], "unknown field 'clop'"),
            (["toy", "--env", "toy:cues", "--set", "ppo.clip=-1"], "clip"),
            (["toy", "--env", "toy:cues", "--set", "minibatches=5"], "minibatches is 5, which does not divide"),
        ],
    )
    def test_train_names_it_and_writes_nothing(self, tmp_path, arguments, message):
        result = call("train", *arguments, "--out", tmp_path / "run")
        assert isinstance(result.exception, GlulamError), result.output
        assert message in str(result.exception)
        assert list(tmp_path.iterdir()) == []

    def test_train_wants_a_folder(self):
        result = call("train", "toy", "--env", "toy:cues")
        assert result.exit_code == 2
        assert "write --out FOLDER for a new run, or --resume FOLDER" in result.output

    def test_train_asks_before_it_replaces_a_run(self, trained, tmp_path):
        folder = shutil.copytree(trained[0], tmp_path / "run")
        arguments = ["toy", "--env", "toy:cues", "--steps", 64, "--out", folder, *SMALL]
        refused = call("train", *arguments)
        assert "is there already and not empty" in str(refused.exception)
        assert call("train", *arguments, "--overwrite").exit_code == 0

    def test_eval_of_half_a_checkpoint(self, trained, tmp_path):
        whole = trained[0] / "checkpoint.safetensors"
        half = tmp_path / "half.safetensors"
        half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
        result = call("evaluate", half, "--env", "toy:cues")
        assert isinstance(result.exception, GlulamError)
        assert "half.safetensors" in str(result.exception)

    def test_eval_tells_what_it_found_where_its_file_cannot_be_written(self, trained, tmp_path):
        arguments = [trained[0] / "checkpoint.safetensors", "--env", "toy:cues", "--episodes", 8]
        result = call("evaluate", *arguments, "--json", tmp_path)
        assert str(result.exception) == f"cannot write {tmp_path}: Is a directory"
        assert "return" in result.stdout

    def test_eval_of_no_checkpoint(self, tmp_path):
        result = call("evaluate", tmp_path / "none.safetensors", "--env", "toy:cues")
        assert "there is no checkpoint" in str(result.exception)

    def test_eval_of_no_episodes(self, trained):
        result = call("evaluate", trained[0] / "checkpoint.safetensors", "--env", "toy:cues", "--episodes", 0)
        assert "write at least 1 episode" in str(result.exception)


@pytest.mark.parametrize("name", ["train", "evaluate"])
def test_help_fits_a_terminal_and_names_every_option(name):
    result = call(name, "--help")
    assert result.exit_code == 0
    for option in (parameter for parameter in getattr(commands, name).params if parameter.param_type_name == "option"):
        assert option.opts[0] in result.output
        assert option.help
    assert all(len(line) <= 80 for line in result.output.splitlines())
