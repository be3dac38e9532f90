"""A run from settings to files: what is written, when, and what is left after a fault."""

import json
import os
import signal
from pathlib import Path

import pytest
import torch
import yaml
from rich.console import Console

import glulam
from glulam import GlulamError
from glulam_train.run import Run

FILES = {"settings.yaml", "checkpoint.safetensors", "metrics.jsonl", "curve.png", "end.json", "resume", "tensorboard"}


@pytest.fixture
def run(settings, tmp_path):
    """Make a run in `tmp_path/run`."""
    made = []

    def make(*, overwrite=False, out=tmp_path / "run", **changes):
        made.append(Run(settings(**changes), out, overwrite=overwrite))
        return made[-1]

    yield make
    for item in made:
        item.close()


def quiet():
    return Console(quiet=True)


def names(folder: Path):
    return {path.name for path in folder.iterdir()}


class TestFiles:
    @pytest.fixture
    def done(self, run):
        finished = run(steps=300, threads=1)
        finished.train(console=quiet())
        return finished

    def test_a_run_leaves_its_files(self, done):
        assert names(done.folder.path) == FILES
        assert done.folder.curve.read_bytes().startswith(b"\x89PNG")

    def test_the_settings_make_the_same_run_again(self, done):
        plain = yaml.safe_load(done.folder.settings.read_text())
        assert plain["steps"] == 300
        assert type(done.settings).from_mapping(plain) == done.settings

    def test_metrics_are_one_line_an_update(self, done):
        rows = [json.loads(line) for line in done.folder.metrics.read_text().splitlines()]
        assert rows == done.rows
        assert rows[-1] == done.last
        assert [row["agent_steps"] for row in rows] == [64, 128, 192, 256, 320]
        assert {"seconds", "return_mean", "length_mean", "episodes", "loss", "ppo/entropy", "ratio_error"} <= set(
            rows[0]
        )
        assert sorted(row["seconds"] for row in rows) == [row["seconds"] for row in rows]

    def test_the_checkpoint_is_the_trained_policy(self, done):
        loaded = glulam.load(done.folder.checkpoint, "toy:cues")
        for name, tensor in done.policy.state_dict().items():
            if isinstance(tensor, torch.Tensor):
                assert torch.equal(loaded.state_dict()[name], tensor)


def test_the_start_is_described(run):
    text = run().describe()
    assert text.startswith(
        "toy in toy:cues: 45 parameters, 8 agents, experience buffer 8 segments x 8 steps, 0.0 MiB (39 bytes"
    )


def test_a_folder_that_holds_anything_is_refused(run, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("mine")
    with pytest.raises(GlulamError, match=r"run is there already and not empty: .*--overwrite"):
        run()
    run(overwrite=True, steps=64).train(console=quiet())
    assert names(tmp_path / "run") == FILES | {"thesis.txt"}


def test_overwriting_replaces_the_files_of_the_earlier_run(run):
    run(steps=640).train(console=quiet())
    again = run(steps=64, overwrite=True)
    again.train(console=quiet())
    assert len(again.folder.metrics.read_text().splitlines()) == 1


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_in_place_of_the_folder_is_refused(run, tmp_path, overwrite):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(GlulamError, match="run is there already and not empty"):
        run(overwrite=overwrite)


def test_an_unwritable_folder_is_an_error_before_training(run, tmp_path):
    (tmp_path / "file").write_text("")
    blocked = tmp_path / "file" / "run"
    with pytest.raises(GlulamError, match=r"cannot write to the folder .*: Not a directory; name another with --out"):
        run(out=blocked).train(console=quiet())
    assert names(tmp_path) == {"file"}


def test_nothing_is_written_before_everything_fits(run, tmp_path):
    with pytest.raises(GlulamError):
        run(minibatches=3)
    with pytest.raises(GlulamError):
        run(env="toy:missing")
    assert names(tmp_path) == set()


def test_a_device_that_is_not_there_is_refused(run):
    with pytest.raises(GlulamError, match="device 'warp' cannot be used here: .*; write cpu"):
        run(device="warp")


def test_a_fault_leaves_the_last_checkpoint(run):
    broken = run(losses=("ppo", {"loss": "toy_nan", "after": 13}), checkpoint_interval=64)
    with pytest.raises(GlulamError, match="training stopped after 128 agent-steps: the loss is nan"):
        broken.train(console=quiet())
    glulam.load(broken.folder.checkpoint, "toy:cues")
    assert len(broken.folder.metrics.read_text().splitlines()) == 2
    assert not [name for name in names(broken.folder.path) if name.startswith(".")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_the_update_under_way(run, number, monkeypatch):
    started = run(steps=10**6)
    before = signal.getsignal(number)
    update = started.trainer.update

    def interrupted():
        if started.trainer.agent_steps == 128:
            os.kill(os.getpid(), number)
        return update()

    monkeypatch.setattr(started.trainer, "update", interrupted)
    started.train(console=quiet())
    assert started.stopped == number.name
    assert started.trainer.agent_steps == 192
    assert names(started.folder.path) == FILES
    assert signal.getsignal(number) is before


def test_metrics_are_what_each_update_returns(run, monkeypatch):
    started, told = run(steps=300, threads=1), []
    update = started.trainer.update
    monkeypatch.setattr(started.trainer, "update", lambda: told.append(update()) or told[-1])
    started.train(console=quiet())
    rows = [json.loads(line) for line in started.folder.metrics.read_text().splitlines()]
    assert [{name: row[name] for name in told[0]} for row in rows] == told
    assert len(told) == 5


class TestEnd:
    """What `end.json` says of how a run ended."""

    def end(self, made):
        return json.loads(made.folder.end.read_text())

    def test_finished(self, run):
        made = run(steps=64)
        made.train(console=quiet())
        assert self.end(made) == {"end": "finished", "why": None, "notes": []}

    def test_stopped(self, run):
        made = run(steps=10**9)
        made.train(seconds=0.0, console=quiet())
        assert self.end(made) == {"end": "stopped", "why": "time limit", "notes": []}

    def test_failed_with_what_was_said(self, run):
        made = run(losses=("ppo", {"loss": "toy_nan", "after": 13}))
        made.notes.append("skipped: a point")
        with pytest.raises(GlulamError) as error:
            made.train(console=quiet())
        assert self.end(made) == {"end": "failed", "why": str(error.value), "notes": ["skipped: a point"]}

    def test_a_bug_is_told_with_its_kind(self, run, monkeypatch):
        made = run()
        monkeypatch.setattr(made.trainer, "update", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            made.train(console=quiet())
        assert self.end(made)["why"] == "ZeroDivisionError: division by zero"

    def test_who_is_cut_off_says_nothing_and_what_was_said_before_is_gone(self, run, monkeypatch):
        run(steps=64).train(console=quiet())
        made = run(overwrite=True)

        def interrupted():
            raise KeyboardInterrupt

        monkeypatch.setattr(made.trainer, "update", interrupted)
        with pytest.raises(KeyboardInterrupt):
            made.train(console=quiet())
        assert not made.folder.end.exists()

    def test_another_process_in_the_folder_changes_nothing_of_it(self, run):
        first, second = run(steps=64), run(steps=64)
        first.train(console=quiet())
        before = first.folder.end.read_text()
        first.folder.hold()
        with pytest.raises(GlulamError, match="another process trains in"):
            second.train(console=quiet())
        assert first.folder.end.read_text() == before

    def test_who_holds_the_folder_is_seen(self, run):
        first, second = run(steps=64), run(steps=64)
        assert not second.folder.is_held
        first.train(console=quiet())
        first.folder.hold()
        assert second.folder.is_held
        first.folder.release()
        assert not second.folder.is_held


def test_a_time_limit_ends_the_run(run):
    started = run(steps=10**9)
    started.train(seconds=0.0, console=quiet())
    assert started.stopped == "time limit"
    assert len(started.rows) == 1


def test_checkpoints_come_at_their_interval(run, monkeypatch):
    saved, save = [], glulam.save

    def noted(policy, path):
        saved.append((started.trainer.agent_steps, path.name))
        save(policy, path)

    monkeypatch.setattr(glulam, "save", noted)
    started = run(steps=320, checkpoint_interval=100)
    started.train(console=quiet())
    point, policy = "policy.safetensors", "checkpoint.safetensors"
    at_first = [(0, point), (0, policy)]
    assert saved == at_first + [(steps, name) for steps in (128, 256, 320) for name in (policy, point)]
    assert names(started.folder.points) == {"000000000128", "000000000256", "000000000320"}  # the last three


def test_a_metric_that_is_not_finite_is_null_in_the_file(run, monkeypatch):
    started = run(steps=64)
    update = started.trainer.update
    monkeypatch.setattr(started.trainer, "update", lambda: update() | {"odd": float("inf")})
    started.train(console=quiet())
    assert json.loads(started.folder.metrics.read_text())["odd"] is None


def test_what_was_trained_is_safe_where_no_further_environment_can_be_made(run, monkeypatch):
    started = run(steps=256)

    def no_licence(*_):
        msg = "no licence is left"
        raise GlulamError(msg)

    monkeypatch.setattr(started, "_make_environment", no_licence)
    with pytest.raises(GlulamError, match="no licence is left"):
        started.train(console=quiet())
    assert started.trainer.agent_steps == 256
    loaded = glulam.load(started.folder.checkpoint, "toy:cues").state_dict()
    trained = {name: value for name, value in started.policy.state_dict().items() if isinstance(value, torch.Tensor)}
    assert trained
    assert all(torch.equal(loaded[name], value) for name, value in trained.items())
