"""Trainings with the policy on a GPU, and experience there or on the host. Skipped where there is none."""

import pytest
import torch
from rich.console import Console

import glulam
from glulam_train.run import Run

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@pytest.fixture
def trained(settings, tmp_path):
    """Train on the GPU, and return the run."""

    def make(name="run", **changes):
        run = Run(settings(**({"device": "cuda", "steps": 256, "tensorboard": False} | changes)), tmp_path / name)
        try:
            run.train(console=Console(quiet=True))
        finally:
            run.close()
        return run

    return make


@pytest.mark.parametrize("place", ["policy", "cpu"])
def test_training_scores_what_rollout_drew(trained, place):
    """Oracle: before an update learns anything, training gives each action the probability that it was drawn with."""
    run = trained(buffer_device=place)
    assert run.trainer.buffer.device.type == ("cuda" if place == "policy" else "cpu")
    assert all(row["ratio_error"] < 1e-4 for row in run.rows)


def test_a_checkpoint_of_the_gpu_acts_on_the_cpu(trained):
    run = trained()
    env = run.environment.spec
    policies = [glulam.load(run.folder.checkpoint, env, device=place) for place in ("cuda", "cpu")]
    kept = [policy.state_dict() for policy in policies]
    assert all(torch.equal(kept[0][key].cpu(), kept[1][key]) for key in kept[1])


def test_a_run_on_the_gpu_is_resumed_there(trained, settings):
    run = trained(checkpoint_interval=64)
    again = Run.resume(run.folder.path, steps=512)
    try:
        again.train(console=Console(quiet=True))
    finally:
        again.close()
    assert again.trainer.policy.device.type == "cuda"
    assert again.rows[-1]["agent_steps"] == 512
