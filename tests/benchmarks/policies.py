"""The five policies of the original side by side: a step of rollout, and forward and backward over segments.

One thread, process CPU time, the policies of a round one after the other, ratios to `latent_attn_tiny` within a round.
Each row of an observation holds 60 to 120 tokens of 200, drawn anew in each round.
"""

import torch
from tensordict import TensorDict

import glulam
from tests.benchmarks.timing import in_rounds, with_own_allocator
from tests.evidence.record import commit, write_result

__all__ = ["run"]

POLICIES = ("fast", "latent_attn_tiny", "latent_attn_small", "latent_attn_med", "vit_lstm")
ROLLOUT = (256, 1024)  # rows
TRAINING = ((16, 64), (64, 16))  # segments, steps
TOKENS = (60, 120)


def run(rounds=15):
    """Measure and write docs/results/policies.json."""
    started = commit()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    env = glulam.environment_spec("mettagrid:forage")
    policies = {name: glulam.build(name, env, losses=["ppo"]) for name in POLICIES}
    runs = []
    for rows in ROLLOUT:
        runs += measured(policies, "rollout", observation(env, rows), rounds, acts)
    for segments, steps in TRAINING:
        runs += measured(policies, "training", observation(env, segments, steps), rounds, learns)
    return write_result(
        "policies", "python -m tests.benchmarks.policies", started, runs=runs, unit="ms of CPU time", rounds=rounds,
        tokens=TOKENS, of=env.num_tokens,
    )  # fmt: skip


def measured(policies, what, td, rounds, call):
    """Return a line a policy, with its agent-steps a second."""
    cases = {name: (lambda policy=policy: call(policy, td), "latent_attn_tiny") for name, policy in policies.items()}
    lines = in_rounds(cases, rounds, before=lambda: redraw(td))
    sizes = list(td.batch_size)
    return [
        {"policy": line.pop("what"), "phase": what, "batch": sizes}
        | line
        | {"steps_per_second": round(td.numel() / line["median"] * 1e3)}
        for line in lines
    ]


def acts(policy, td):
    """Take one step of rollout."""
    with torch.no_grad():
        policy(td)


def learns(policy, td):
    """Score segments and send a gradient to every weight."""
    scored = policy.evaluate(td)
    total = scored["act_log_prob"].sum() + scored["values"].sum() + scored["entropy"].sum()
    torch.autograd.grad(total, list(policy.parameters()))


def observation(env, *batch):
    """Return a TensorDict of any batch, its observations to be drawn."""
    flags = torch.zeros(batch, dtype=torch.bool)
    obs = torch.zeros(*batch, env.num_tokens, env.token_columns, dtype=torch.uint8)
    td = TensorDict({"env_obs": obs, "dones": flags, "truncateds": flags, "actions": flags.long()}, batch_size=batch)
    if len(batch) == 1:
        td["env_id"] = torch.arange(*batch)
    return td


def redraw(td, tokens=TOKENS):
    """Fill the observations with tokens of any place, feature and value, so many from .. below, padding behind them."""
    obs = td["env_obs"]
    rows = obs.shape[:-2]
    obs[..., 0] = torch.randint(11, obs.shape[:-1]) << 4 | torch.randint(11, obs.shape[:-1])
    obs[..., 1] = torch.randint(16, obs.shape[:-1])
    obs[..., 2] = torch.randint(4, obs.shape[:-1])
    used = torch.randint(*tokens, (*rows, 1))
    obs[torch.arange(obs.shape[-2]) >= used] = 255


if __name__ == "__main__":
    with_own_allocator("tests.benchmarks.policies")
    print(run())
