"""Training with environments in workers, and by turns in two groups, against all in one process.

One thread of torch, wall time, an update of each by turns, ratios to the one process within a round. All train the same
policy with the same settings from the same seed. On two cores a worker can step beside the policy, and a second worker
takes time from it: run this where as many cores are free as there are processes.
"""

import gc
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

import torch
import yaml

import glulam
from glulam_train.settings import TrainSettings
from glulam_train.trainer import Trainer
from glulam_train.workers.environments import Environments
from tests.benchmarks.timing import line_of, with_own_allocator
from tests.evidence.elsewhere import policy_of
from tests.evidence.record import commit, write_result

__all__ = ["run"]

SMALL = "two small layers"
RUNS = (
    ("fast", "mettagrid:forage"),
    ("latent_attn_small", "mettagrid:forage"),
    ("latent_attn_tiny", "minigrid:MiniGrid-MemoryS7-v0"),
    (SMALL, "pettingzoo:butterfly/knights_archers_zombies-v11"),  # most of the time is the environment's
)
# Workers and groups, by name; all others are compared with the first.
CASES = {
    "one process": (0, 1),
    "one process, by turns": (0, 2),
    "1 worker": (1, 1),
    "1 worker, by turns": (1, 2),
    "2 workers": (2, 1),
    "2 workers, by turns": (2, 2),
}


def run(rounds=9, chosen=RUNS):
    """Measure and write docs/results/workers.json."""
    started = commit()
    torch.set_num_threads(1)
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.yaml"
        small.write_text(yaml.safe_dump(policy_of("pettingzoo"), sort_keys=False), encoding="utf-8")
        for policy, env in chosen:
            found = measured(str(small) if policy == SMALL else policy, env, rounds)
            runs.append({"policy": policy, "environment": env} | found)
            print(runs[-1], flush=True)
    command = "python -m tests.benchmarks.workers"
    return write_result("workers", command, started, runs=runs, unit="ms of wall time an update", rounds=rounds)


class Case:
    """A training, and how long its updates take."""

    def __init__(self, policy, env, workers, groups):
        settings = TrainSettings(policy=policy, env=env, env_workers=workers, env_groups=groups)
        self.environments = Environments(settings)
        torch.manual_seed(settings.seed)
        environment = self.environments.make(settings.environment_seed())
        built = glulam.build(policy, environment.spec, losses=settings.losses)
        self.trainer = Trainer(built, environment, settings)
        self.rollout, self.waited = 0.0, 0.0
        self.trainer.rollout.collect = self.timed("rollout", self.trainer.rollout.collect)
        for lane in self.trainer.rollout.lanes:
            lane.world.send = self.timed("waited", lane.world.send)
            lane.world.receive = self.timed("waited", lane.world.receive)

    def timed(self, what, call):
        """Return a call whose time is added up under a name."""

        def timed(*arguments):
            start = time.perf_counter()
            try:
                return call(*arguments)
            finally:
                setattr(self, what, getattr(self, what) + time.perf_counter() - start)

        return timed

    def update(self):
        """Return the ms that an update takes, those of its rollout, and those in which it does without environments."""
        self.rollout = self.waited = 0.0
        start = time.perf_counter()
        self.trainer.update()
        return [1e3 * seconds for seconds in (time.perf_counter() - start, self.rollout, self.waited)]

    def close(self):
        self.environments.close()


def measured(policy, env, rounds):
    """Return a line a case for whole updates, their rollouts, and the steps of environments or the wait for them."""
    taken = {what: {name: [] for name in CASES} for what in ("update", "rollout", "environments")}
    with ExitStack() as stack:
        cases = {name: stack.enter_context(closing(Case(policy, env, *case))) for name, case in CASES.items()}
        for number in range(rounds + 1):
            for name, case in cases.items():
                gc.collect()
                found = case.update()
                if number:  # the first round warms up
                    for what, milliseconds in zip(taken, found, strict=True):
                        taken[what][name].append(milliseconds)
        steps = cases["one process"].trainer.steps_per_update
    first = next(iter(CASES))
    lines = {
        what: [line_of(name, times, None if name == first else first) for name in CASES]
        for what, times in taken.items()
    }
    return {"agent_steps": steps} | lines


if __name__ == "__main__":
    with_own_allocator("tests.benchmarks.workers")
    print(run())
