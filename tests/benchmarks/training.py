"""PPO training from end to end on `mettagrid:forage`: our trainer, and a plain PPO loop around the plain policy.

One thread, process CPU time, an update of each by turns, ratios to ours within a round. Both have the same weights at
first, worlds of the same seeds, and the trainer's default numbers (environments, horizon, epochs, minibatches). They
are compared first: with the likeliest action in place of drawn ones an epoch has to move weights alike.
`network`: forward, in rollout and in learning. `learning`: backward, clipping and Adam. `rest`: what is left of an
update: buffers, advantages, losses, and the trainer's checks and statistics, which the plain loop does without.
"""

import time
from collections import Counter
from contextlib import closing
from statistics import median
from unittest import mock

import attrs
import torch

import glulam
from glulam_train.settings import TrainSettings
from glulam_train.trainer import Trainer
from tests.benchmarks.plain_ppo import PlainPpo
from tests.benchmarks.plain_weights import our_names, plain_twin
from tests.benchmarks.timing import in_rounds, with_own_allocator
from tests.evidence.record import commit, write_result

__all__ = ["run"]

NAMES = ("fast", "latent_attn_tiny")
ENV = "mettagrid:forage"
SIZES = ("num_envs", "horizon", "epochs", "minibatches")
CLOSE = 0.02  # Adam makes much of rounding in gradients near zero


def run(rounds=9, names=NAMES, **sizes):
    """Measure and write docs/results/training.json."""
    started = commit()
    torch.set_num_threads(1)
    runs = []
    for name in names:
        settings = TrainSettings(policy=name, env=ENV, **sizes)
        check_learning(settings)
        runs.append({"policy": name} | measured(settings, rounds))
        print(runs[-1], flush=True)
    shown = {name: getattr(settings, name) for name in SIZES}
    command = "python -m tests.benchmarks.training"
    return write_result(
        "training", command, started, runs=runs, unit="ms of CPU time an update", rounds=rounds, settings=shown
    )


class Pair:
    """Our trainer and the plain one."""

    def __init__(self, settings):
        torch.manual_seed(settings.seed)
        self.environments = [
            glulam.make_environment(ENV, num_envs=settings.num_envs, seed=settings.environment_seed()) for _ in range(2)
        ]
        self.policy = glulam.build(settings.policy, self.environments[0].spec, losses=settings.losses)
        self.plain = plain_twin(self.policy)
        self.ours = Trainer(self.policy, self.environments[0], settings)
        self.theirs = PlainPpo(self.plain, self.environments[1], settings)

    def weights(self):
        """Return all weights in one order, ours and the plain ones."""
        ours = dict(self.policy.named_parameters())
        names = our_names(self.policy.resolved.name, self.plain)
        sides = [ours[names[name]] for name, _ in self.plain.named_parameters()], self.plain.parameters()
        return [torch.cat([weight.detach().flatten() for weight in side]) for side in sides]

    def close(self):
        for environment in self.environments:
            environment.close()


def check_learning(settings):
    """Stop where an epoch of both does not move weights alike, neither drawing actions."""
    with closing(Pair(attrs.evolve(settings, epochs=1))) as pair:
        before = pair.weights()[0]
        pair.policy.each("set_greedy", True)
        pair.ours.update()
        with mock.patch("torch.multinomial", lambda probs, _: probs.argmax(-1, keepdim=True)):
            pair.theirs.update()
        ours, theirs = pair.weights()
    error = float((theirs - ours).norm() / (ours - before).norm())
    if not error <= CLOSE:
        msg = f"the plain loop learns something else than ours: its weights have moved by {error:.2g} of it elsewhere"
        raise ValueError(msg)


def measured(settings, rounds):
    """Return what an update takes, by what it is for."""
    with closing(Pair(settings)) as pair:
        clocks = {"ours": Clock(pair.ours.update), "plain": Clock(pair.theirs.update)}
        clocks["ours"].watch("environment", pair.environments[0], "step")
        clocks["ours"].watch("network", pair.policy, "forward", "unroll")
        clocks["ours"].watch("learning", pair.ours.optimizer, "step")
        clocks["plain"].watch("environment", pair.environments[1], "step")
        clocks["plain"].watch("network", pair.plain, "act", "unroll", "score")
        clocks["plain"].watch("learning", pair.theirs, "learn")
        cases = {"ours": (clocks["ours"], None), "plain": (clocks["plain"], "ours")}
        lines = {line["what"]: line for line in in_rounds(cases, rounds, lambda: None)}
        steps = pair.ours.steps_per_update
    return {
        "agent_steps": steps,
        "speedup": lines["plain"]["ratio"],
        "quartiles": lines["plain"]["quartiles"],
        "steps_per_second": {who: round(steps / line["median"] * 1e3) for who, line in lines.items()},
        "split": {who: clock.split() for who, clock in clocks.items()},
    }


class Clock:
    """A call, and the CPU time that it spends in some methods; what one of them calls of another counts once."""

    def __init__(self, call):
        self.call, self.running, self.rounds = call, False, []

    def __call__(self):
        self.spent = Counter()
        start = time.process_time()
        self.call()
        total = time.process_time() - start
        self.rounds.append(self.spent | {"rest": total - self.spent.total()})

    def watch(self, what, owner, *methods):
        """Count calls of these methods of an object as this."""
        for method in methods:
            setattr(owner, method, self.timed(what, getattr(owner, method)))

    def timed(self, what, method):
        def call(*args, **kwargs):
            if self.running:
                return method(*args, **kwargs)
            self.running, start = True, time.process_time()
            try:
                return method(*args, **kwargs)
            finally:
                self.running = False
                self.spent[what] += time.process_time() - start

        return call

    def split(self):
        """Return medians in ms, of all but the first round, which warms up."""
        return {what: round(median(spent[what] for spent in self.rounds[1:]) * 1e3, 2) for what in self.rounds[0]}


if __name__ == "__main__":
    with_own_allocator("tests.benchmarks.training")
    print(run())
