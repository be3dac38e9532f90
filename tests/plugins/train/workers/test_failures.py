"""A worker that is killed, a training that is killed, and what is left of either."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from glulam import GlulamError
from glulam_train.run import Run

CLOCKS = {"seconds", "steps_per_second"}


def quiet():
    return Console(quiet=True)


def numbers(run):
    rows = [json.loads(line) for line in run.folder.metrics.read_text().splitlines()]
    return [{name: value for name, value in row.items() if name not in CLOCKS} for row in rows]


def points(run):
    return sorted(path.name for path in run.folder.points.iterdir())


def test_a_killed_worker_ends_the_run_which_is_resumed_without_workers_to_the_same_numbers(
    settings, tmp_path, monkeypatch
):
    options = {"env": "toy:next_step", "steps": 640, "checkpoint_interval": 128, "env_groups": 2, "tensorboard": False}
    whole = Run(settings(**options), tmp_path / "whole")
    whole.train(console=quiet())
    whole.close()
    run = Run(settings(**options, env_workers=1), tmp_path / "cut")
    assert "\nenvironments are stepped in 1 worker, which the policy acts in by turns, in 2 groups" in run.describe()
    update, worker = run.trainer.update, run.environments._workers[0].process

    def killing():
        if run.trainer.agent_steps == 320:
            os.kill(worker.pid, signal.SIGKILL)
            worker.wait()
        return update()

    monkeypatch.setattr(run.trainer, "update", killing)
    message = (
        "^environment worker 0 of 1 was ended by SIGKILL in step 9 of environment 'toy:next_step'; "
        "the last checkpoint is intact$"
    )
    with pytest.raises(GlulamError, match=message):
        run.train(console=quiet())
    run.close()
    assert points(run) == ["000000000000", "000000000128", "000000000256"]
    text = run.folder.settings.read_text()
    run.folder.settings.write_text(text.replace("env_workers: 1", "env_workers: 0"))
    again = Run.resume(tmp_path / "cut")
    again.train(console=quiet())
    again.close()
    assert numbers(again) == numbers(whole)


def test_groups_are_part_of_a_run(settings, tmp_path):
    run = Run(settings(env="toy:same_step", env_groups=2, steps=64, tensorboard=False), tmp_path / "run")
    run.train(console=quiet())
    run.close()
    text = run.folder.settings.read_text()
    run.folder.settings.write_text(text.replace("env_groups: 2", "env_groups: 1"))
    with pytest.raises(GlulamError, match="was changed since: env_groups from 2 to 1"):
        Run.resume(tmp_path / "run")


def test_what_an_environment_throws_in_this_process(settings, tmp_path):
    small = {"steps": 100_000, "checkpoint_interval": 100_000, "epochs": 1, "minibatches": 1, "tensorboard": False}
    run = Run(settings(env="toy:throws", **small), tmp_path / "run")
    message = (
        r"^environment 'toy:throws' failed in step 7 of a rollout with ValueError: the goal is gone "
        r"\(.*toy_mill/world\.py, line \d+\); the last checkpoint is intact$"
    )
    with pytest.raises(GlulamError, match=message):
        run.train(console=quiet())
    run.close()
    assert points(run) == ["000000000000"]
    assert len(numbers(run)) == 124  # the updates of 8 steps before it


HANGING = """
import sys
import torch
from glulam_train.settings import TrainSettings
from glulam_train.workers.environments import Environments

made = Environments(TrainSettings(policy="toy", env="toy:hangs", num_envs=1, env_workers=1))
environment = made.make(0)
environment.reset()
print(made._workers[0].process.pid, flush=True)
while True:
    environment.step(torch.zeros(2, dtype=torch.int64))
    print("stepped", flush=True)
"""


def is_running(pid):
    """Whether a process is there and not only waits to be taken note of."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
def test_workers_end_with_a_training_that_is_killed_even_in_a_step_without_end():
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", HANGING], env=environment, stdout=subprocess.PIPE, text=True
    ) as parent:
        pid = int(parent.stdout.readline())
        assert [parent.stdout.readline() for _ in range(2)] == ["stepped\n"] * 2
        assert is_running(pid)
        parent.kill()
    deadline = time.monotonic() + 30
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_running(pid)
