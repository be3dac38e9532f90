"""How the cost of policies grows with rows, with tokens and with layers: medians, and the exponents fitted to them.

One thread, process CPU time, all sizes and both ways of a round one after the other, ratios to ours within a round.
Rows: a step of rollout, and forward and backward over segments of 16 steps, 60 to 120 tokens of 200 a row.
Tokens: the same for one number of rows, of which all have that many tokens. Peer: the plain policies, weights the same.
Layers: a step of rollout of a chain of linear layers; peer: a hand-written module that calls the same modules.
An exponent of 1 is linear growth; below it something costs the same at all sizes. Time is that of one call.
"""

from copy import deepcopy
from functools import partial

import torch
from tensordict import TensorDict

import glulam
from tests.benchmarks.agreement import check_same
from tests.benchmarks.assembly import WIDTH, Hand, policy_of
from tests.benchmarks.plain import NAMES
from tests.benchmarks.plain_weights import plain_twin
from tests.benchmarks.policies import TOKENS, redraw
from tests.benchmarks.timing import exponent, in_rounds, with_own_allocator
from tests.benchmarks.whole import Case, Training
from tests.evidence.record import commit, write_result

__all__ = ["run"]

ROWS = (64, 256, 1024, 4096)
TOKEN_COUNTS = (25, 50, 100, 200)
LAYERS = (10, 20, 40, 80, 160)
STEPS = 16  # of a segment
ROWS_OF_TOKENS, ROWS_OF_LAYERS = 256, 32
CALLS = 4  # of rollout that are timed as one


def run(rounds=9, names=NAMES, rows=ROWS, token_counts=TOKEN_COUNTS, layers=LAYERS):
    """Measure and write docs/results/growth.json."""
    started = commit()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    env = glulam.environment_spec("mettagrid:forage")
    runs = []
    for name in names:
        policy = glulam.build(name, env, losses=["ppo"])
        for phase in ("rollout", "training"):
            by_rows = {count: (count, TOKENS) for count in rows}
            by_tokens = {count: (ROWS_OF_TOKENS, (count, count + 1)) for count in token_counts}
            for what, sizes in (("rows", by_rows), ("tokens", by_tokens)):
                runs.append({"policy": name, "phase": phase, "by": what} | grown(policy, phase, sizes, rounds))
                print(runs[-1], flush=True)
    runs.append({"policy": "chain", "phase": "rollout", "by": "layers"} | chains(layers, rounds))
    print(runs[-1], flush=True)
    return write_result(
        "growth", "python -m tests.benchmarks.growth", started, runs=runs, unit="ms of CPU time a call", rounds=rounds,
        tokens=TOKENS, of=env.num_tokens, steps=STEPS, rows_of_tokens=ROWS_OF_TOKENS, rows_of_layers=ROWS_OF_LAYERS,
    )  # fmt: skip


def grown(policy, phase, sizes, rounds):
    """Return what a policy and its plain twin take by size, `{size: (rows, range of tokens)}`."""
    kind = {"rollout": Step, "training": Segments}[phase]
    # Each with a memory of its own.
    cases = {size: kind(deepcopy(policy), plain_twin(policy), *given) for size, given in sizes.items()}

    def before():
        for case in cases.values():
            case.redraw()

    ways = {size: (case.ours, case.theirs) for size, case in cases.items()}
    return fitted(ways, rounds, before, kind.calls)


class Step(Case):
    """Steps of rollout, from one observation."""

    calls = CALLS

    def __init__(self, policy, plain, rows, tokens):
        super().__init__(policy, plain, rows)
        self.seen["env_id"], self.tokens = self.env_id, tokens

    def redraw(self):
        super().redraw()
        redraw(self.seen, self.tokens)

    @torch.no_grad()
    def ours(self):
        for _ in range(self.calls):
            values = self.policy(self.seen)["values"]
        return values

    @torch.no_grad()
    def theirs(self):
        for _ in range(self.calls):
            _, _, values = self.plain.act(*(self.seen[key] for key in ("env_obs", "dones", "truncateds")))
        return values


class Segments(Training):
    """Forward and backward over segments."""

    def __init__(self, policy, plain, rows, tokens):
        super().__init__(policy, plain, rows // STEPS, STEPS)
        self.tokens = tokens

    def redraw(self):
        super().redraw()
        redraw(self.seen, self.tokens)


def chains(counts, rounds):
    """Return what chains of layers take by their number."""
    td = TensorDict({"env_obs": torch.randn(ROWS_OF_LAYERS, WIDTH)}, batch_size=[ROWS_OF_LAYERS])
    policies = {count: policy_of("torch", count) for count in counts}
    ways = {count: (policy, Hand(policy)) for count, policy in policies.items()}
    return fitted(
        {count: tuple(partial(steps, way, td) for way in both) for count, both in ways.items()}, rounds, calls=CALLS
    )


@torch.no_grad()
def steps(way, td):
    """Take steps with a chain, and return logits."""
    for _ in range(CALLS):
        logits = way(td.copy())["logits"]
    return logits


def fitted(ways, rounds, before=lambda: None, calls=1):
    """Return medians a call, ratios and exponents of `{size: (ours, the peer's)}`; both have to give the same."""
    before()
    for ours, peers in ways.values():
        check_same("the peer", peers(), ours())
    cases = {}
    for size, (ours, peers) in ways.items():
        cases |= {("ours", size): (ours, None), ("peer", size): (peers, ("ours", size))}
    lines = {line["what"]: line for line in in_rounds(cases, rounds, before)}
    medians = {who: [round(lines[who, size]["median"] / calls, 4) for size in ways] for who in ("ours", "peer")}
    compared = [lines["peer", size] for size in ways]
    return {
        "sizes": [*ways],
        **medians,
        "speedup": [line["ratio"] for line in compared],
        "quartiles": [line["quartiles"] for line in compared],
        "exponent": {who: exponent(ways, times) for who, times in medians.items()},
    }


if __name__ == "__main__":
    with_own_allocator("tests.benchmarks.growth")
    print(run())
