"""Resuming: the same numbers as a run that was never interrupted, whatever happened to the files."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys

import pytest
import torch
from rich.console import Console

import glulam
from glulam import GlulamError
from glulam_train.resume import ResumePoints
from glulam_train.run import Run
from tests.plugins.train.conftest import SITE

CLOCKS = {"seconds", "steps_per_second"}


def quiet():
    return Console(quiet=True)


@pytest.fixture
def options(tmp_path):
    """Everything that a point must hold: several losses, one with weights of its own and one with a memory."""
    torch.manual_seed(1)
    glulam.save(glulam.build("toy", "toy:cues"), tmp_path / "teacher.safetensors")
    teacher = {"loss": "kickstart", "teacher": str(tmp_path / "teacher.safetensors")}
    return {
        "steps": 640,
        "checkpoint_interval": 128,
        "normalize_returns": True,
        "schedule": "linear",
        "losses": ("ppo", "prediction", teacher | {"anneal_steps": 600, "value_coef": 0}),
        "groups": ({"layers": ["toy_table"], "learning_rate": 0.01},),
        "tensorboard": False,
    }


@pytest.fixture
def started(settings, options, tmp_path):
    """Return a function that makes a run in a folder of `tmp_path`."""
    made = []

    def make(name, **changes):
        made.append(Run(settings(**(options | changes)), tmp_path / name))
        return made[-1]

    yield make
    for run in made:
        run.close()


def resumed(run, **options):
    again = Run.resume(run.folder.path, **options)
    again.train(console=quiet())
    again.close()
    return again


def stop_after(run, agent_steps, monkeypatch):
    """Train until an update past `agent_steps` fails, as a killed process would leave it."""
    update = run.trainer.update

    def killed():
        if run.trainer.agent_steps >= agent_steps:
            raise KeyboardInterrupt
        return update()

    monkeypatch.setattr(run.trainer, "update", killed)
    with pytest.raises(KeyboardInterrupt):
        run.train(console=quiet())
    run.close()


def numbers(run):
    rows = [json.loads(line) for line in run.folder.metrics.read_text().splitlines()]
    return [{name: value for name, value in row.items() if name not in CLOCKS} for row in rows]


def assert_same(found, expected):
    assert numbers(found) == numbers(expected)
    ours, theirs = (glulam.load(run.folder.checkpoint, "toy:cues").state_dict() for run in (found, expected))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs if isinstance(theirs[name], torch.Tensor))


@pytest.fixture
def whole(started):
    run = started("whole")
    run.train(console=quiet())
    return run


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class TestSameNumbers:
    @pytest.mark.parametrize("agent_steps", [0, 64, 192, 256, 448, 576])
    def test_as_an_uninterrupted_run(self, started, whole, agent_steps, monkeypatch):
        run = started("cut")
        stop_after(run, agent_steps, monkeypatch)
        again = resumed(run)
        assert_same(again, whole)
        ours, theirs = (glulam.read_tensors(item.folder.checkpoint)[0] for item in (again, whole))
        assert ours == theirs  # its source, its lock and its checksum too

    def test_twice(self, started, whole, monkeypatch):
        run = started("cut")
        stop_after(run, 192, monkeypatch)
        again = Run.resume(run.folder.path)
        stop_after(again, 384, monkeypatch)
        again.close()
        assert_same(resumed(run), whole)

    @pytest.mark.parametrize("part", ["adam/", "rng/torch", "rng/shuffles", "losses/", "reward_scale/"])
    def test_each_part_of_a_point_is_needed(self, started, whole, part, monkeypatch):
        """Sabotage: one part of the state is as in a new trainer."""
        run = started("cut")
        stop_after(run, 320, monkeypatch)
        fresh = dict(_state(started("fresh").trainer))
        point, _ = run.folder.resume_points(run.settings).newest()
        for name in list(point.tensors):
            if name.startswith(part):
                point.tensors[name] = fresh.get(name, torch.zeros_like(point.tensors[name]))
        again = Run(run.settings, run.folder.path, point=point)
        again.train(console=quiet())
        again.close()
        assert numbers(again) != numbers(whole)

    def test_the_buffer_comes_back(self, started, monkeypatch):
        run = started("cut")
        stop_after(run, 128, monkeypatch)
        again = Run.resume(run.folder.path)
        for key, tensor in run.trainer.buffer.steps.items():
            assert torch.equal(again.trainer.buffer.steps[key], tensor)
        again.close()

    def test_worlds_differ_from_boundary_to_boundary(self, whole):
        assert whole.boundary == 5
        seeds = {whole.settings.environment_seed(boundary) for boundary in range(6)}
        assert len(seeds) == 6


def _state(trainer):
    from glulam_train.resume import _tensors

    return _tensors(trainer)


class TestFiles:
    def test_a_signal_is_a_point_to_go_on_from(self, started, monkeypatch):
        run = started("cut")
        update = run.trainer.update

        def interrupted():
            if run.trainer.agent_steps == 64:
                os.kill(os.getpid(), signal.SIGTERM)
            return update()

        monkeypatch.setattr(run.trainer, "update", interrupted)
        run.train(console=quiet())
        assert run.stopped == "SIGTERM"
        again = resumed(run)
        assert [row["agent_steps"] for row in numbers(again)] == list(range(64, 641, 64))

    def test_a_damaged_point_is_skipped_and_said(self, started, whole, monkeypatch):
        run = started("cut")
        stop_after(run, 384, monkeypatch)
        newest = run.folder.points / "000000000384" / "trainer.safetensors"
        blob = bytearray(newest.read_bytes())
        blob[-3] ^= 1
        newest.write_bytes(bytes(blob))
        again = Run.resume(run.folder.path)
        assert "trainer.safetensors was altered since it was saved" in again.describe()
        assert "resumed at 256 agent-steps" in again.describe()
        again.close()
        assert_same(resumed(run), whole)

    @pytest.mark.parametrize("number", [1, 3])
    def test_half_a_point_is_as_none(self, started, whole, number, monkeypatch):
        run = started("cut")
        save, calls = glulam.write_tensors, []

        def killed(path, header, tensors):
            calls.append(path)
            if len(calls) == number:
                raise KeyboardInterrupt
            save(path, header, tensors)

        monkeypatch.setattr(glulam, "write_tensors", killed)
        with pytest.raises(KeyboardInterrupt):
            run.train(console=quiet())
        monkeypatch.undo()
        run.close()
        assert any(path.name.endswith(".part") for path in run.folder.points.iterdir())
        assert_same(resumed(run), whole)
        assert not any(path.name.endswith(".part") for path in run.folder.points.iterdir())

    def test_a_line_cut_short_is_dropped(self, started, whole, monkeypatch):
        run = started("cut")
        stop_after(run, 192, monkeypatch)
        with run.folder.metrics.open("a") as file:
            file.write('{"agent_steps": 256, "sec')
        assert_same(resumed(run), whole)

    def test_a_run_killed_before_its_first_point_starts_anew(self, started, whole, tmp_path):
        (tmp_path / "cut").mkdir()
        (tmp_path / "cut" / "settings.yaml").write_text(whole.folder.settings.read_text())
        run = Run.resume(tmp_path / "cut")
        assert "there is no point to resume from yet: this run starts anew" in run.describe()
        run.train(console=quiet())
        run.close()
        assert_same(run, whole)

    def test_a_trained_run_without_a_point_is_left_alone(self, whole):
        shutil.rmtree(whole.folder.points)
        before = contents(whole.folder.path)
        with pytest.raises(GlulamError, match=r"whole cannot be resumed: there are no points in .*init_from=.*check"):
            Run.resume(whole.folder.path)
        assert contents(whole.folder.path) == before

    def test_points_that_cannot_be_read_are_left_alone(self, whole):
        for file in whole.folder.points.glob("*/trainer.safetensors"):
            file.write_bytes(file.read_bytes()[:100])
        before = contents(whole.folder.path)
        with pytest.raises(
            GlulamError, match=r"whole cannot be resumed: .*trainer\.safetensors is cut off or no check"
        ):
            Run.resume(whole.folder.path)
        assert contents(whole.folder.path) == before

    def test_settings_that_were_changed_are_named(self, whole):
        text = whole.folder.settings.read_text()
        whole.folder.settings.write_text(text.replace("num_envs: 4", "num_envs: 8").replace("toy:cues", "toy:short"))
        with pytest.raises(
            GlulamError, match=r"was changed since: env from 'toy:cues' to 'toy:short'; num_envs from 4 to 8"
        ):
            Run.resume(whole.folder.path)

    def test_another_process_keeps_out(self, started, whole, tmp_path):
        whole.folder.hold()
        code = (
            f"from glulam.cli import main; import sys; sys.argv[1:] = ['train', '--resume', {str(whole.folder.path)!r}]"
        )
        done = subprocess.run([sys.executable, "-c", f"{code}; main()"], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "error: another process trains in" in done.stderr
        whole.folder.release()

    @pytest.mark.parametrize("line", [b"{}\n", b"5\n", b"\xff\xfe\n"])
    def test_a_damaged_line_of_metrics_ends_them(self, started, line, monkeypatch):
        run = started("cut")
        stop_after(run, 192, monkeypatch)
        lines = run.folder.metrics.read_bytes().splitlines(keepends=True)
        run.folder.metrics.write_bytes(lines[0] + line + lines[1])
        again = Run.resume(run.folder.path)
        assert [row["agent_steps"] for row in again.folder.cut_metrics(128)] == [64]
        again.close()

    def test_only_the_last_are_kept(self, started):
        run = started("kept", keep_checkpoints=2)
        run.train(console=quiet())
        assert sorted(path.name for path in run.folder.points.iterdir()) == ["000000000512", "000000000640"]

    @pytest.mark.parametrize("keep", [1, 2])
    def test_a_damaged_newer_point_does_not_cost_the_one_just_saved(self, started, monkeypatch, keep):
        run = started("cut")
        stop_after(run, 384, monkeypatch)
        newest = run.folder.points / "000000000384" / "trainer.safetensors"
        newest.write_bytes(newest.read_bytes()[:100])
        text = run.folder.settings.read_text()
        run.folder.settings.write_text(text.replace("keep_checkpoints: 3", f"keep_checkpoints: {keep}"))
        again = Run.resume(run.folder.path, steps=320)
        again.train(console=quiet())
        again.close()
        point, problems = again.folder.resume_points(again.settings).newest()
        assert point.agent_steps == 320
        assert [problem.partition(" is ")[0] for problem in problems] == [str(newest)]
        left = ["000000000256", "000000000320"][-keep:]
        assert sorted(path.name for path in run.folder.points.iterdir()) == [*left, "000000000384"]
        resumed(run, steps=512)  # which comes past it
        left = ["000000000448", "000000000512"][-keep:]
        assert sorted(path.name for path in run.folder.points.iterdir()) == left

    def test_a_folder_without_a_run(self, tmp_path):
        with pytest.raises(GlulamError, match=r"holds no run: there is no settings\.yaml in it"):
            Run.resume(tmp_path)

    def test_a_point_that_cannot_be_written(self, started, tmp_path):
        run = started("cut")
        (tmp_path / "points").write_text("a file")
        with pytest.raises(GlulamError, match=r"cannot write .*000000000000: .*; the points before it are intact"):
            ResumePoints(tmp_path / "points", 3).save(run.trainer, 0)


@pytest.fixture
def full():
    """Have no file grow beyond some bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


class TestFullDisk:
    @pytest.mark.parametrize(
        ("size", "message"),
        [
            (
                4000,
                "cannot write {run}/resume/000000000256: File too large; the points before it are intact",
            ),
            (40, "cannot write the metrics of {run}: File too large"),
        ],
    )
    def test_the_points_before_it_are_gone_on_from(self, started, whole, full, monkeypatch, size, message):
        run = started("cut")
        update = run.trainer.update

        def filling():
            if run.trainer.agent_steps == 192:
                full(size)
            return update()

        monkeypatch.setattr(run.trainer, "update", filling)
        with pytest.raises(GlulamError) as caught:
            run.train(console=quiet())
        full(resource.RLIM_INFINITY)
        run.close()
        what, remedy = re.split("[:;] once that is ", str(caught.value))
        assert what == message.format(run=run.folder.path)
        assert remedy == f"mended go on with glulam train --resume {run.folder.path}"
        assert sorted(path.name for path in run.folder.points.iterdir()) == ["000000000000", "000000000128"]
        assert_same(resumed(run), whole)

    def test_the_checkpoint_before_it_is_kept(self, started, full):
        run = started("cut")
        run.train(console=quiet())
        before = run.folder.checkpoint.read_bytes()
        full(400)
        message = (
            r"^cannot write .*/checkpoint\.safetensors: File too large; the points to resume from are intact: once "
            r"that is mended go on with glulam train --resume .*/cut$"
        )
        with pytest.raises(GlulamError, match=message):
            run.folder.save_policy(run.policy)
        full(resource.RLIM_INFINITY)
        assert run.folder.checkpoint.read_bytes() == before
        assert not [path for path in run.folder.path.iterdir() if path.name.startswith(".part.")]


class TestAnotherVersion:
    """Teacher and point were saved with toy-mill 1.0, and here is 1.1 by now."""

    @pytest.fixture
    def upgraded(self, monkeypatch, tmp_path):
        def upgrade():
            new = tmp_path / "site" / "toy_mill-1.1.dist-info"
            shutil.copytree(SITE / "toy_mill-1.0.dist-info", new)
            text = (new / "METADATA").read_text()
            (new / "METADATA").write_text(text.replace("Version: 1.0", "Version: 1.1"))
            monkeypatch.syspath_prepend(str(new.parent))

        return upgrade

    def test_a_run_goes_on_where_that_is_accepted(self, started, whole, upgraded, monkeypatch):
        run = started("cut")
        stop_after(run, 256, monkeypatch)
        upgraded()
        with pytest.raises(GlulamError, match=r"policy\.safetensors was saved with toy-mill 1\.0, here is 1\.1 "):
            Run.resume(run.folder.path)
        assert numbers(resumed(run, allow_version_drift=True)) == numbers(whole)

    def test_a_run_begins_with_such_a_teacher_where_that_is_accepted(self, settings, options, upgraded, tmp_path):
        upgraded()
        message = r"^loss kickstart: teacher .*/teacher\.safetensors: .* was saved with toy-mill 1\.0, here is 1\.1 "
        with pytest.raises(GlulamError, match=message):
            Run.begin(settings(**options), tmp_path / "new")
        run = Run.begin(settings(**options), tmp_path / "new", allow_version_drift=True)
        assert run.trainer.update()["kickstart/factor"] == 1
        run.close()


class TestLonger:
    def test_a_finished_run_goes_on_to_more_steps(self, whole):
        again = resumed(whole, steps=768)
        assert [row["agent_steps"] for row in numbers(again)] == list(range(64, 769, 64))
        assert "steps: 768" in again.folder.settings.read_text()

    def test_a_finished_run_has_nothing_to_do(self, whole):
        before = numbers(whole)
        assert numbers(resumed(whole)) == before

    def test_fewer_steps_than_it_has_are_refused(self, whole):
        before = contents(whole.folder.path)
        message = r"whole has 640 agent-steps already, and --steps is of the whole training: write more than 64$"
        with pytest.raises(GlulamError, match=message):
            Run.resume(whole.folder.path, steps=64)
        assert contents(whole.folder.path) == before
