"""Training from end to end on `mettagrid:forage`: our trainer, and the same modules in TorchRL's own loop.

`python -m tests.benchmarks.torchrl_loop`. One thread, process CPU time, an update of each by turns, ratios to ours
within a round, nothing compiled. All have the same weights at first, worlds of the same seeds, and the trainer's
default numbers. They are compared first: with the likeliest action in place of drawn ones, updates of one minibatch
have to move weights alike, over the end of an episode too.
`network`: forward, in rollout, for values and in learning. `learning`: backward, clipping and Adam. `rest`: what is
left of an update: collectors, buffers, advantages, losses. The floor is what no trainer can do without: the
environment alone, and the environment with the network and its gradients as our trainer calls them.
"""

from contextlib import closing

import attrs
import torch

import glulam
from glulam_train.settings import TrainSettings
from glulam_train.trainer import Trainer
from tests.benchmarks.timing import in_rounds, with_own_allocator
from tests.benchmarks.torchrl_ppo import WAYS, TorchRlPpo
from tests.benchmarks.training import CLOSE, ENV, SIZES, Clock
from tests.evidence.record import commit, write_result

__all__ = ["run"]

NAMES = ("fast", "latent_attn_tiny")
CHECKED = {"num_envs": 4, "epochs": 1, "minibatches": 1}
CHECKED_UPDATES = 5  # the first episodes end in the fourth


def run(rounds=9, names=NAMES, **sizes):
    """Measure and write docs/results/torchrl_loop.json."""
    started = commit()
    torch.set_num_threads(1)
    runs = []
    for name in names:
        settings = TrainSettings(policy=name, env=ENV, **sizes)
        runs.append({"policy": name, "apart": check_learning(settings)} | measured(settings, rounds))
        print(runs[-1], flush=True)
    return write_result(
        "torchrl_loop",
        "python -m tests.benchmarks.torchrl_loop",
        started,
        runs=runs,
        unit="ms of CPU time an update",
        rounds=rounds,
        settings={name: getattr(settings, name) for name in SIZES},
    )


class Side:
    """A policy and its environment, in our trainer or in TorchRL's loop."""

    def __init__(self, way, settings, *, greedy=False):
        torch.manual_seed(settings.seed)
        self.environment = glulam.make_environment(ENV, num_envs=settings.num_envs, seed=settings.environment_seed())
        self.policy = glulam.build(settings.policy, self.environment.spec, losses=settings.losses)
        self.policy.each("set_greedy", greedy)
        if way in WAYS:
            self.trainer = TorchRlPpo(self.policy, self.environment, settings, WAYS[way], greedy=greedy)
        else:
            self.trainer = Trainer(self.policy, self.environment, settings)

    def weights(self):
        return torch.cat([weight.detach().flatten() for weight in self.policy.parameters()])

    def clock(self):
        """Return an update that tells what it is spent on."""
        clock = Clock(self.trainer.update)
        clock.watch("environment", self.environment, "step")
        clock.watch("network", self.policy, "forward", "unroll")
        learning = (self.trainer, "learn") if isinstance(self.trainer, TorchRlPpo) else (self.trainer.optimizer, "step")
        clock.watch("learning", *learning)
        return clock

    def close(self):
        if isinstance(self.trainer, TorchRlPpo):
            self.trainer.close()
        self.environment.close()


def check_learning(settings):
    """Return how far weights move apart, of what they move; stop where that is much."""
    settings = attrs.evolve(settings, **CHECKED)
    moved = {}
    for way in ("ours", *WAYS):
        with closing(Side(way, settings, greedy=True)) as side:
            before = side.weights()
            for _ in range(CHECKED_UPDATES):
                side.trainer.update()
            moved[way] = side.weights() - before
    ours = moved.pop("ours")
    apart = {way: float((theirs - ours).norm() / ours.norm()) for way, theirs in moved.items()}
    if not max(apart.values()) <= CLOSE:
        msg = f"TorchRL's loop learns something else than ours: weights are apart by {apart} of their movement"
        raise ValueError(msg)
    return apart


def measured(settings, rounds):
    """Return what an update takes, by what it is for."""
    sides = {way: Side(way, settings) for way in ("ours", *WAYS)}
    clocks = {way: side.clock() for way, side in sides.items()}
    cases = {way: (clock, None if way == "ours" else "ours") for way, clock in clocks.items()}
    lines = {line["what"]: line for line in in_rounds(cases, rounds, lambda: None)}
    steps = sides["ours"].trainer.steps_per_update
    for side in sides.values():
        side.close()
    splits = {way: clock.split() for way, clock in clocks.items()}
    needed = splits["ours"] | {"rest": 0.0}
    return {
        "agent_steps": steps,
        "ways": [
            {
                "what": way,
                "steps_per_second": round(steps / line["median"] * 1e3),
                "split": splits[way],
                **({"speedup": line["ratio"], "quartiles": line["quartiles"]} if way in WAYS else {}),
                # What our trainer's ratio would be, were all else than this free.
                "bound_by_environment": round(line["median"] / needed["environment"], 2),
                "bound_by_modules": round(line["median"] / sum(needed.values()), 2),
            }
            for way, line in lines.items()
        ],
    }


if __name__ == "__main__":
    with_own_allocator("tests.benchmarks.torchrl_loop")
    print(run())
