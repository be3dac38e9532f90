"""What the experience buffer takes up, and what it costs to fill: bytes a step, and the one copy from the environment.

`python -m tests.benchmarks.experience`. The peer of the copy is to have the simulators write into the buffer itself,
by binding them to another column of it before each step.
"""

from contextlib import closing

import numpy as np
import torch

import glulam
from glulam_train.settings import TrainSettings
from glulam_train.trainer import Trainer
from tests.benchmarks.timing import interleaved
from tests.evidence.record import commit, write_result

POLICIES = ("fast", "latent_attn_tiny")
ENV, NUM_ENVS, HORIZON = "mettagrid:forage", 32, 32
ROUNDS = 15


def run():
    """Measure and store."""
    started, before = commit(), torch.get_num_threads()
    torch.set_num_threads(1)
    sizes = [size_of(policy) for policy in POLICIES]
    times = copies()
    torch.set_num_threads(before)
    for row in sizes:
        print(f"{row['policy']}: {row['stored_bytes_a_step']:.0f} bytes a step, {row['ratio']:.3f} x what is declared")
    for name, row in times.items():
        print(f"{name}: {row['median']:.1f} us")
    command = "python -m tests.benchmarks.experience"
    print(write_result("experience", command, started, runs=sizes, microseconds=times))


def size_of(policy):
    """Return what a trainer's buffer takes up, and what its layers and losses declare."""
    settings = TrainSettings(policy=policy, env=ENV, num_envs=NUM_ENVS, horizon=HORIZON)
    with closing(glulam.make_environment(ENV, num_envs=NUM_ENVS, seed=0)) as environment:
        built = glulam.build(policy, environment.spec, losses=settings.losses)
        buffer = Trainer(built, environment, settings).buffer
    steps = buffer.rows * buffer.horizon
    declared = glulam.spec_bytes(built.experience_spec(), segments=buffer.segments, horizon=buffer.segment) / steps
    spec = {str(key): [tensor.dtype, list(tensor.shape), tensor.per] for key, tensor in built.experience_spec().items()}
    stored = buffer.bytes / steps
    return {
        "policy": policy,
        "spec": spec,
        "declared_bytes_a_step": declared,
        "stored_bytes_a_step": stored,
        "ratio": stored / declared,
    }


def copies():
    """Return the times of a step of all simulators, of its copy into the buffer, and of binding them anew instead."""
    with closing(glulam.make_environment(ENV, num_envs=NUM_ENVS, seed=0)) as world:
        observation = world.reset()["env_obs"]
        buffer = torch.zeros(len(observation), HORIZON, *observation.shape[1:], dtype=torch.uint8)
        columns = [np.zeros(tuple(observation.shape), np.uint8) for _ in range(HORIZON)]
        actions = torch.zeros(len(observation), dtype=torch.int64)

        def copy():
            for t in range(HORIZON):
                buffer[:, t].copy_(observation)

        def bind():
            for column in columns:
                for simulator, rows in zip(world._simulators, world._slices, strict=True):
                    flags = (world._terminals[rows], world._truncations[rows], world._rewards[rows])
                    simulator.set_buffers(column[rows], *flags, world._actions[rows], world._vibe_actions[rows])

        def step():
            for _ in range(HORIZON):
                world.step(actions)

        measured = interleaved({"environment_step": step, "copy_into_buffer": copy, "bind_anew": bind}, ROUNDS)
    return {
        name: {what: round(1e3 * ms / HORIZON, 2) for what, ms in times.items()} for name, times in measured.items()
    }


if __name__ == "__main__":
    run()
