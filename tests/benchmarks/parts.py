"""The parts of the five policies by themselves, against the plain ones and against torch's or TorchRL's modules.

One thread, process CPU time, the ways of a round one after the other on inputs drawn anew, ratios to ours within a
round. Their outputs, and in training their gradients, are compared first. Weights are the same in all, and are
written before each round. An observation has 60 to 120 tokens of 200, and is cut to its longest row before.

* tokens: bytes to features of tokens. The peer is the plain tokeniser.
* latents: bytes to latents. Ours is what a policy does, by the distinct tokens where they repeat (`glulam.Repeated`);
  "ours, written out" maps every token.
* cross_attention: features to latents. Peers: the plain einsum, and `nn.MultiheadAttention` in the same blocks.
* self_attention: 10 latents and a CLS row to a vector. Peers as before.
* box_cnn: bytes to the output of convolutions. Peers: the plain box before plain convolutions and before TorchRL's.
* act, score: the distribution of actions from logits. Peers: the plain policy's own lines and `torch.distributions`,
  or, with a mask, TorchRL's `MaskedCategorical`.

Rollout: forward without gradient. Training: forward, and backward to weights and to inputs that are no bytes.
"""

from functools import partial

import torch

import glulam
from tests.benchmarks.agreement import check_same
from tests.benchmarks.plain import NAMES
from tests.benchmarks.plain.tokens import cut
from tests.benchmarks.policies import TOKENS, observation, redraw
from tests.benchmarks.timing import in_rounds, with_own_allocator
from tests.benchmarks.ways import parts_of
from tests.evidence.record import commit, write_result

__all__ = ["run"]

BATCHES = (("rollout", 32), ("rollout", 256), ("rollout", 1024), ("training", 1024))
CALLS = 2048  # rows that are timed as one, in calls of so many rows as a batch has


def run(rounds=15, names=NAMES, batches=BATCHES):
    """Measure and write docs/results/parts.json."""
    started = commit()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    env = glulam.environment_spec("mettagrid:forage")
    runs = []
    for name in names:
        for what, part in parts_of(glulam.build(name, env)).items():
            for phase, rows in batches:
                if phase in part.phases:
                    lines = measured(part, env, phase, rows, rounds)
                    runs += [{"part": what, "policy": name, "phase": phase, "rows": rows} | line for line in lines]
                    print(*runs[-len(lines) :], sep="\n", flush=True)
    return write_result(
        "parts", "python -m tests.benchmarks.parts", started, runs=runs, unit="ms of CPU time a call", rounds=rounds,
        tokens=TOKENS, of=env.num_tokens,
    )  # fmt: skip


def measured(part, env, phase, rows, rounds):
    """Return a line a way."""
    case = Case(part, env, phase, rows)
    case.redraw()
    case.compare()
    cases = {name: (partial(case.many, name), None if name == "ours" else "ours") for name in part.ways}
    lines = in_rounds(cases, rounds, case.redraw)
    return [line | {"median": round(line["median"] / case.repeats, 4)} for line in lines]


class Case:
    """A part and what it is given."""

    def __init__(self, part, env, phase, rows):
        self.part, self.training = part, phase == "training"
        self.seen = observation(env, rows)
        self.padding = env.token_layout.padding
        self.repeats = max(1, CALLS // rows)
        self.weights = {
            name: [weight for weight in way.module.train(self.training).parameters() if weight.requires_grad]
            for name, way in part.ways.items()
        }

    @torch.no_grad()
    def redraw(self):
        """Draw inputs and gradients of outputs, and write weights."""
        redraw(self.seen)
        drawn, self.counts = self.part.draw(cut(self.seen["env_obs"], self.padding))
        self.inputs = [x.requires_grad_(self.training and x.is_floating_point()) for x in drawn]
        # At most 1, as the gradients of a mean.
        self.pulls = [torch.rand_like(y) * self.counts for y in floats(self.part.ways["ours"].call(*self.inputs))]
        for weight in {weight for weights in self.weights.values() for weight in weights}:
            weight.add_(0)

    def many(self, name):
        for _ in range(self.repeats):
            self.once(name)

    def once(self, name):
        """Return outputs, and in training gradients."""
        call = self.part.ways[name].call
        if not self.training:
            with torch.no_grad():
                return call(*self.inputs), ()
        outputs = call(*self.inputs)
        to = [*self.weights[name], *(x for x in self.inputs if x.requires_grad)]
        return outputs, torch.autograd.grad(floats(outputs), to, self.pulls)

    def compare(self):
        """Stop where a way computes something else than ours."""
        wanted = self.facts("ours")
        for name in self.part.ways:
            for number, (want, found) in enumerate(zip(wanted, self.facts(name), strict=True)):
                check_same(f"{name} (result {number})", found, want)

    def facts(self, name):
        """Return what has to be the same: outputs that count, and the norm of all gradients."""
        outputs, gradients = self.once(name)
        norms = [torch.stack([gradient.norm() for gradient in gradients]).norm()] if gradients else []
        return [y * self.counts for y in floats(self.part.checked(self.inputs, outputs))] + norms


def floats(outputs):
    return [y for y in outputs if y.is_floating_point()]


if __name__ == "__main__":
    with_own_allocator("tests.benchmarks.parts")
    print(run())
