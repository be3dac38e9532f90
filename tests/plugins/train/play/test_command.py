"""`glulam play` as a user types it."""

import pytest
import torch
from click.testing import CliRunner

import glulam
from glulam import GlulamError
from glulam_train.play.command import play

ENV = "toy:shown_same_step"


@pytest.fixture(scope="module")
def checkpoint(toy_mill, tmp_path_factory):
    path = tmp_path_factory.mktemp("play") / "toy.safetensors"
    torch.manual_seed(0)
    glulam.save(glulam.build("toy", ENV), path)
    return path


def call(*arguments):
    return CliRunner().invoke(play, [str(argument) for argument in arguments])


def test_in_a_pipe_it_prints_steps_episodes_and_their_mean(checkpoint):
    result = call(checkpoint, "--env", ENV, "--episodes", 2)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.partition(":")[0].split("  ")[0] for line in lines] == [
        "episode 1 step 0",
        "episode 1",
        "episode 2 step 0",
        "episode 2 step 1",
        "episode 2 step 2",
        "episode 2",
        lines[-1].split("  ")[0],
    ]
    returns = [
        float(line.split("return ")[1].split()[0]) for line in lines if line.startswith(("episode 1:", "episode 2:"))
    ]
    assert lines[-1] == f"return {sum(returns) / 2:.3f} over 2 episodes"


def test_a_file_is_named_on_stdout_and_the_return_beside(checkpoint, tmp_path):
    result = call(checkpoint, "--env", ENV, "--greedy", "-o", tmp_path / "episodes" / "a.gif")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{tmp_path / 'episodes' / 'a.gif'}\n"
    assert result.stderr.startswith("return ")
    assert result.stderr.endswith(" over 1 episode\n")
    assert (tmp_path / "episodes" / "a.gif").stat().st_size > 100


@pytest.fixture
def interrupted(monkeypatch):
    """Ctrl-C in the third step."""
    from toy_mill.world import Shown

    steps, step = [], Shown.step

    def press(self, actions):
        steps.append(None)
        if len(steps) == 3:
            raise KeyboardInterrupt
        return step(self, actions)

    monkeypatch.setattr(Shown, "step", press)


@pytest.mark.usefixtures("interrupted")
class TestInterrupted:
    def test_watching_just_ends(self, checkpoint):
        result = call(checkpoint, "--env", ENV, "--episodes", 5)
        assert result.exit_code == 0
        assert result.stdout.splitlines()[1].startswith("episode 1: return ")
        assert result.stderr == "stopped\n"

    def test_a_recording_leaves_nothing(self, checkpoint, tmp_path):
        result = call(checkpoint, "--env", ENV, "--episodes", 5, "-o", tmp_path / "a.gif")
        assert result.exit_code == 1
        assert result.stderr == f"Error: stopped; {tmp_path / 'a.gif'} was not written\n"
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("env", "more", "message"),
    [
        ("toy:cues", [], "environment 'toy:cues' cannot be looked at: its worlds have no render()"),
        (ENV, ["-o", "a.png"], "a.png: what kind of file is that to be? Let its name end in .gif or .mp4"),
        ("toy:none", [], "no task 'none' in toy"),
    ],
)
def test_mistakes_are_told(checkpoint, env, more, message):
    result = call(checkpoint, "--env", env, *more)
    assert isinstance(result.exception, GlulamError)
    assert str(result.exception).startswith(message)


def test_a_policy_that_does_not_fit_is_told(checkpoint, tmp_path):
    result = call(checkpoint, "--env", "gymnasium:CartPole-v1")
    assert isinstance(result.exception, GlulamError)
    assert "CartPole" in str(result.exception)
