"""What one rank measures for `scaling`, by itself or under torchrun; rank 0 prints it as JSON.

Asked for in JSON as the first argument: `policy`, `env`, `agents` (of a rank, several), `updates`, and `exchanges`:
the policies whose gradients are to be added up.
"""

import json
import statistics
import sys
import time
from contextlib import closing
from unittest import mock

import torch

import glulam
from glulam_train.ranks import Ranks
from glulam_train.settings import TrainSettings
from glulam_train.trainer import Trainer

REPEATS = 30


def main():
    """Measure what is asked for."""
    asked = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    ranks = Ranks.from_environment()
    ranks.use_timeout(600.0)
    spec = glulam.environment_spec(asked["env"])
    found = {"ranks": ranks.size, "updates": [], "exchanges": {}, "latency": 0.0}
    for agents in asked["agents"]:
        settings = TrainSettings(
            policy=asked["policy"], env=asked["env"], num_envs=agents // spec.num_agents, threads=1
        )
        found["updates"].append({"agents": agents} | updates(settings, ranks, asked["updates"]))
    if ranks.size > 1:
        number = torch.zeros(1)
        found["latency"] = middle(lambda: ranks.sum(number))
        for name in asked["exchanges"]:
            weights = list(glulam.build(name, spec, losses=("ppo",)).parameters())
            for weight in weights:
                weight.grad = torch.zeros_like(weight)
            found["exchanges"][name] = middle(lambda weights=weights: ranks.sum_gradients(weights))
    if ranks.is_first:
        print(json.dumps(found))
    ranks.close()


def updates(settings, ranks, count):
    """Return the seconds of some updates, after one that warms up, until the last rank is done with each.

    And those of a sum of gradients in them: the wait for the other ranks is in it, which a sum by itself has not.
    """
    torch.manual_seed(settings.seed)
    seed = settings.environment_seed(rank=ranks.rank)
    environment = glulam.make_environment(settings.env, num_envs=settings.num_envs, seed=seed)
    with closing(environment):
        policy = glulam.build(settings.policy, environment.spec, losses=settings.losses)
        trainer = Trainer(policy, environment, settings, ranks)
        trainer.update()
        taken, sums = [], []
        sum_gradients = Ranks.sum_gradients

        def timed(ranks, parameters):
            start = time.perf_counter()
            done = sum_gradients(ranks, parameters)
            sums.append(time.perf_counter() - start)
            return done

        with mock.patch.object(Ranks, "sum_gradients", timed):
            for _ in range(count):
                ranks.sum(torch.zeros(1))
                start = time.perf_counter()
                trainer.update()
                ranks.sum(torch.zeros(1))
                taken.append(time.perf_counter() - start)
    return {"seconds": taken, "exchange": statistics.mean(sums)}


def middle(call):
    """Return the median of the seconds of a call."""
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[REPEATS // 3 :])


if __name__ == "__main__":
    main()
