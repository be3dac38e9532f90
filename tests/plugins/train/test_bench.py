"""`glulam bench`: where the time goes, by clocks that tests turn."""

import json
import re
import time

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from glulam import GlulamError
from glulam_train import commands
from glulam_train.bench import PARTS, Stopwatch, gradient_norms

SMALL = ["--set", "num_envs=4", "--set", "horizon=8", "--set", "threads=1", "--updates", "2"]
ENV = ["toy", "--env", "toy:cues"]

pytestmark = pytest.mark.usefixtures("toy_mill")


def call(*arguments):
    return CliRunner().invoke(commands.bench, [str(argument) for argument in arguments])


class TestStopwatch:
    """Oracle: seconds counted by hand."""

    @pytest.fixture
    def turn(self, monkeypatch):
        now = [100.0]
        monkeypatch.setattr(time, "perf_counter", lambda: now[0])
        return lambda seconds: now.__setitem__(0, now[0] + seconds)

    def test_time_is_charged_to_the_innermost_part(self, turn):
        watch = Stopwatch(torch.device("cpu"))
        turn(50)  # to nobody
        with watch.part("outer"):
            turn(1)
            with watch.part("inner"):
                turn(2)
                with watch.part("outer"):
                    turn(4)
            turn(8)
        turn(50)
        assert dict(watch.seconds) == {"outer": 13.0, "inner": 2.0}

    def test_what_fails_is_charged_too(self, turn):
        class Worker:
            def work(self):
                turn(3)
                raise ZeroDivisionError

        watch, worker = Stopwatch(torch.device("cpu")), Worker()
        watch.watch(worker, "work", "bad")
        with pytest.raises(ZeroDivisionError):
            worker.work()
        with watch.part("good"):
            turn(5)
        assert dict(watch.seconds) == {"bad": 3.0, "good": 5.0}

    def test_a_method_is_watched_and_gives_what_it_gave(self, turn):
        class Worker:
            def work(self, seconds, *, more=0):
                turn(seconds)
                return seconds + more

        watch, worker, names = Stopwatch(torch.device("cpu")), Worker(), iter(("first", "second"))
        watch.watch(worker, "work", lambda: next(names))
        assert (worker.work(2, more=1), worker.work(3)) == (3, 3)
        assert dict(watch.seconds) == {"first": 2.0, "second": 3.0}


def test_gradient_norms_are_of_all_weights_of_a_part():
    layer = nn.Linear(1, 1)
    layer.weight.grad, layer.bias.grad = torch.tensor([[3.0]]), torch.tensor([4.0])
    assert gradient_norms({"layer": layer, "untrained": nn.Linear(2, 2)}) == {"layer": 5.0}


class TestCommand:
    def test_a_report_for_programs_is_one_line(self):
        result = call(*ENV, *SMALL, "--format", "json")
        assert result.exit_code == 0, result.output
        assert result.output.count("\n") == 1
        report = json.loads(result.output)
        assert (report["policy"], report["environment"], report["device"]) == ("toy", "toy:cues", "cpu")
        assert (report["agents"], report["updates"], report["agent_steps_per_update"]) == (8, 2, 64)
        assert (report["env_workers"], report["env_groups"], report["seconds_in_workers"]) == (0, 1, [])
        spent = report["seconds_per_update"]
        assert list(spent) == list(PARTS)
        assert all(seconds > 0 for seconds in spent.values())
        # The same time, taken by two clocks: by parts, and as rollout and the rest.
        assert 64 / report["steps_per_second"] == pytest.approx(sum(spent.values()), rel=0.05)
        both = 64 / report["rollout_steps_per_second"] + 64 / report["training_steps_per_second"]
        assert both == pytest.approx(64 / report["steps_per_second"])
        assert report["gradient_norms"]
        assert all(norm > 0 for norm in report["gradient_norms"].values())

    def test_a_report_for_people(self):
        lines = call(*ENV, *SMALL).output.splitlines()
        assert lines[0] == "toy in toy:cues: 45 parameters, 8 agents, 64 agent-steps an update, cpu, threads 1"
        assert lines[1].startswith("agent-steps/s: ")
        told = {line.split()[0]: line for line in lines if "%" in line}
        assert list(told) == list(PARTS)
        shares = [int(line.split("%")[0].split()[-1]) for line in told.values()]
        assert 97 <= sum(shares) <= 103

    def test_what_workers_spend_meanwhile_is_told(self):
        small = ["--set", "num_envs=4", "--set", "horizon=8", "--set", "env_workers=1", "--set", "env_groups=2"]
        result = call("toy", "--env", "toy:same_step", *small, "--updates", 2)
        assert result.exit_code == 0, result.output
        [line] = [line for line in result.output.splitlines() if line.startswith("meanwhile")]
        told = re.fullmatch(r"meanwhile in steps of the environment: ([\d.]+) ms, a figure for each worker", line)
        assert 0 < float(told[1]) < 1000

    def test_a_trace_is_written_whole(self, tmp_path):
        path = tmp_path / "trace.json"
        result = call(*ENV, *SMALL, "--profile", path)
        assert result.exit_code == 0, result.output
        assert "traceEvents" in json.loads(path.read_text(encoding="utf-8"))
        assert list(tmp_path.iterdir()) == [path]

    def test_a_trace_that_cannot_be_written(self, tmp_path):
        result = call(*ENV, *SMALL, "--profile", tmp_path / "none" / "trace.json")
        assert isinstance(result.exception, GlulamError)
        path = tmp_path / "none" / "trace.json"
        assert str(result.exception) == (
            f"cannot write the trace {path}: No such file or directory; name another file with --profile"
        )

    def test_no_updates(self):
        result = call(*ENV, "--updates", 0)
        assert str(result.exception) == "updates is 0; write 1 or more"

    def test_nothing_is_kept(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert call(*ENV, *SMALL).exit_code == 0
        assert list(tmp_path.iterdir()) == []

    def test_a_device_that_is_not_there(self):
        result = call(*ENV, *SMALL, "--set", "device=cuda:99")
        assert isinstance(result.exception, GlulamError)
        assert str(result.exception).startswith("device 'cuda:99' cannot be used here: ")
