"""Our five policies against the same ones written plainly (`tests.benchmarks.plain`), with the same weights.

One thread, process CPU time. In each round ours, the plain one and the plain one's bare products take turns on the
same observations, 60 to 120 tokens of 200, drawn anew before each round; an episode ends at one step in a hundred.
Rollout: the 64 steps between two updates, whatever the batch. Training: forward and backward of a PPO loss over
segments. Every weight is written (0 is added, outside of the time) before each timed call, as an optimiser would:
what is worked out from weights has to be worked out again, once in 64 steps.
The bare products (`floor`) are those of the first observations drawn; `of_floor` is a time as a multiple of theirs.
"""

import torch
from tensordict import TensorDict

import glulam
from tests.benchmarks.plain import NAMES
from tests.benchmarks.plain.floor import floor
from tests.benchmarks.plain_weights import plain_twin
from tests.benchmarks.policies import TOKENS, redraw
from tests.benchmarks.timing import in_rounds, with_own_allocator
from tests.evidence.record import commit, write_result

__all__ = ["measured", "run"]

ROLLOUT = (1, 32, 256, 1024)  # rows
STEPS = 64  # of a rollout between two updates
TRAINING = ((16, 64), (64, 16))  # segments, steps
ENDS = 0.01  # of all steps end an episode
MANY = 1024  # rows of which a third of the rounds will do: each is the sum of 64 long steps


def run(rounds=15, names=NAMES):
    """Measure and write docs/results/whole.json."""
    started = commit()
    runs = []
    for name in names:
        for phase, batch in (*(("rollout", (rows,)) for rows in ROLLOUT), *(("training", b) for b in TRAINING)):
            runs.append(measured(name, phase, batch, max(5, rounds // 3) if MANY in batch else rounds))
            print(runs[-1], flush=True)
    return write_result(
        "whole", "python -m tests.benchmarks.whole", started, runs=runs, unit="ms of CPU time", tokens=TOKENS,
        of=glulam.environment_spec("mettagrid:forage").num_tokens, steps_between_updates=STEPS, ends=ENDS,
    )  # fmt: skip


def measured(name, phase, batch, rounds):
    """Return what one policy takes for a step of rollout or for a batch of segments, ours, plain and bare."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    policy = glulam.build(name, glulam.environment_spec("mettagrid:forage"), losses=["ppo"])
    case = {"rollout": Rollout, "training": Training}[phase](policy, plain_twin(policy), *batch)
    case.redraw()
    cases = {
        "ours": (case.ours, None),
        "plain": (case.theirs, "ours"),
        "floor": (case.floor(), None),
    }
    lines = {line["what"]: line for line in in_rounds(cases, rounds, case.redraw)}
    medians = {what: line["median"] for what, line in lines.items()}
    agent_steps = case.seen.numel()
    return {
        "policy": name,
        "phase": phase,
        "batch": list(batch),
        "rounds": rounds,
        **{what: round(median / case.calls, 4) for what, median in medians.items()},
        "speedup": lines["plain"]["ratio"],
        "quartiles": lines["plain"]["quartiles"],
        "plain_of_floor": round(medians["plain"] / medians["floor"], 2),
        "ours_of_floor": round(medians["ours"] / medians["floor"], 2),
        "steps_per_second": {what: round(agent_steps / medians[what] * 1e3) for what in ("ours", "plain")},
    }


class Case:
    """A policy, its plain twin and what both see, `[*batch]`."""

    calls: int  # what is timed as one

    def __init__(self, policy, plain, *batch):
        self.policy, self.plain = policy, plain
        env = policy.env
        self.env_id = torch.arange(batch[-1])
        seen = {
            "env_obs": torch.zeros(*batch, env.num_tokens, env.token_columns, dtype=torch.uint8),
            "dones": torch.zeros(batch, dtype=torch.bool),
            "truncateds": torch.zeros(batch, dtype=torch.bool),
            "actions": torch.randint(env.num_actions, batch),
        }
        self.seen = TensorDict(seen, batch_size=batch)

    @torch.no_grad()
    def redraw(self):
        """See something new, with weights that have been written since."""
        redraw(self.seen)
        self.seen["dones"].copy_(torch.rand(self.seen.batch_size) < ENDS)
        for side in (self.policy, self.plain):
            for weight in side.parameters():
                weight.add_(0)


class Rollout(Case):
    """Steps between two updates; the memory goes on from round to round."""

    calls = STEPS

    def __init__(self, policy, plain, rows):
        self.rows = rows
        super().__init__(policy, plain, STEPS, rows)

    def redraw(self):
        super().redraw()
        # A world gives a new TensorDict at each step, and always the same tensor of ids.
        self.steps = [step.exclude("actions").set("env_id", self.env_id) for step in self.seen.unbind(0)]
        self.tensors = [tuple(step[key] for key in ("env_obs", "dones", "truncateds")) for step in self.steps]

    @torch.no_grad()
    def ours(self):
        for step in self.steps:
            values = self.policy(step)["values"]
        return values

    @torch.no_grad()
    def theirs(self):
        for tensors in self.tensors:
            _, _, values = self.plain.act(*tensors)
        return values

    def floor(self):
        return torch.no_grad()(floor(self.plain, self.theirs, [(1, self.rows)] * STEPS))


class Training(Case):
    """Forward and backward of a PPO loss over segments."""

    calls = 1

    def __init__(self, policy, plain, segments, steps):
        super().__init__(policy, plain, segments, steps)
        self.shape = steps, segments
        self.old, self.advantages, self.returns = torch.randn(3, segments, steps)
        begin = torch.randn(2, 2, segments, 128) / 2  # h and c, layers
        self.state = TensorDict({"memory": dict(zip("hc", begin.transpose(1, 2), strict=True))}, [segments])
        self.plain_state = tuple(begin)
        self.weights = [[*side.parameters()] for side in (policy, plain)]

    def ours(self):
        scored = self.policy.evaluate(self.seen, self.state)
        loss = self.loss(scored["act_log_prob"], scored["entropy"], scored["values"])
        torch.autograd.grad(loss, self.weights[0])
        return loss

    def theirs(self):
        return self.learns(self.weights[1])

    def learns(self, weights):
        seen = self.seen
        resets = seen["dones"] | seen["truncateds"]
        scored = self.plain.score(seen["env_obs"], resets, seen["actions"], self.plain_state)
        loss = self.loss(*scored)
        torch.autograd.grad(loss, weights)
        return loss

    def floor(self):
        outside = [weight for name, weight in self.plain.named_parameters() if not name.startswith("memory.")]
        return floor(self.plain, lambda: self.learns(outside), [self.shape])

    def loss(self, log_probs, entropy, values):
        ratio = (log_probs - self.old).exp()
        gain = torch.minimum(ratio * self.advantages, ratio.clamp(0.8, 1.2) * self.advantages)
        return -gain.mean() + 0.5 * (values - self.returns).square().mean() - 0.01 * entropy.mean()


if __name__ == "__main__":
    with_own_allocator("tests.benchmarks.whole")
    print(run())
