"""PPO in one file, as CleanRL has it, around a policy with memory."""

import sys

import torch

import glulam

POLICY = {
    "glulam": 1,
    "name": "cartpole_lstm",
    "obs_shaper": {"layer": "vector_shaper", "in_key": "env_obs", "out_key": "vector"},
    "layers": [
        {"layer": "mlp", "in_key": "vector", "out_key": "encoded", "hidden_sizes": [64], "out_dim": 64},
        {"layer": "lstm", "in_key": "encoded", "out_key": "core", "hidden_size": 64, "skip": True},
        {"layer": "linear_actor", "in_key": "core", "out_key": "logits"},
        {"layer": "value_head", "in_key": "core", "out_key": "values", "hidden_size": 64},
    ],
    "action_head": {"layer": "action_distribution", "in_key": "logits"},
}
NUM_ENVS, HORIZON, EPOCHS, MINIBATCHES = 8, 128, 4, 4
LEARNING_RATE, GAMMA, GAE_LAMBDA = 1e-3, 0.99, 0.95
CLIP, VALUE_COEF, ENTROPY_COEF, MAX_GRAD_NORM = 0.2, 0.5, 0.01, 0.5


@torch.no_grad()
def value_of(policy, td):
    """Return the values of observations `[B]`; nothing acts, and no memory is written."""
    return policy.evaluate(td.exclude("actions"), policy.memory_state(td["env_id"]))["values"]


@torch.no_grad()
def rollout(policy, env, td):
    """Play HORIZON steps; return them `[B, T]`, the memory before the first, and what to go on from."""
    state, steps = policy.memory_state(td["env_id"]), []  # what training starts from: stored once a segment
    for _ in range(HORIZON):
        acted = policy(td)
        step = acted.select(*policy.in_keys, "dones", "truncateds", "actions", "act_log_prob", "values").clone()
        td = env.step(acted["actions"])  # flags in it: the episode ended before this observation
        step["reward"], step["ended"] = td["rewards"].clone(), td["dones"] | td["truncateds"]
        if td["truncateds"].any():  # cut off, not over: worth what the last observation promises, memory going on
            last = td.clone().update({"env_obs": td["final_obs"]})
            last["dones"], last["truncateds"] = torch.zeros_like(td["dones"]), torch.zeros_like(td["dones"])
            step["reward"] += GAMMA * value_of(policy, last) * td["truncateds"]
        steps.append(step)
    return torch.stack(steps, dim=1), state, td


def add_advantages(batch, next_value):
    """Write generalised advantage estimates and returns, `[B, T]`."""
    advantages, running = torch.zeros_like(batch["reward"]), 0
    for t in reversed(range(HORIZON)):
        alive = (~batch["ended"][:, t]).float()
        delta = batch["reward"][:, t] + GAMMA * next_value * alive - batch["values"][:, t]
        advantages[:, t] = running = delta + GAMMA * GAE_LAMBDA * alive * running
        next_value = batch["values"][:, t]
    batch["advantages"], batch["returns"] = advantages, advantages + batch["values"]


def losses(policy, batch, state):
    """Return the PPO loss of some segments: the gradient runs through all of their steps."""
    new = policy.evaluate(batch, state)  # resets inside a segment are applied
    ratio = (new["act_log_prob"] - batch["act_log_prob"]).exp()
    advantage = (batch["advantages"] - batch["advantages"].mean()) / (batch["advantages"].std() + 1e-8)
    surrogate = torch.min(ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage).mean()
    value_loss = (new["values"] - batch["returns"]).square().mean() / 2
    return VALUE_COEF * value_loss - surrogate - ENTROPY_COEF * new["entropy"].mean()


def train(steps, seed=0, env_uri="gymnasium:CartPole-v1"):
    """Train for so many steps and return the policy."""
    torch.manual_seed(seed)
    env = glulam.make_environment(env_uri, num_envs=NUM_ENVS, seed=2 * seed)  # `glulam eval` plays odd seeds
    policy = glulam.build(POLICY, env.spec)
    optimizer = torch.optim.Adam(policy.parameters(), lr=LEARNING_RATE, eps=1e-5)
    policy.reset_memory()
    td, updates = env.reset(), -(-steps // (NUM_ENVS * HORIZON))
    for update in range(updates):
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - update / updates)
        batch, state, td = rollout(policy, env, td)
        add_advantages(batch, value_of(policy, td))
        for _ in range(EPOCHS):
            for rows in torch.randperm(len(batch)).chunk(MINIBATCHES):  # whole segments: memory needs their order
                optimizer.zero_grad()
                losses(policy, batch[rows], state[rows]).backward()
                torch.nn.utils.clip_grad_norm_(policy.parameters(), MAX_GRAD_NORM)
                optimizer.step()
        episodes = max(1, int(batch["ended"].sum()))
        print(f"update {update}: {NUM_ENVS * HORIZON / episodes:.0f} steps an episode", flush=True)
    env.close()
    return policy


if __name__ == "__main__":  # python single_file_ppo.py 100000 0 cartpole.safetensors
    glulam.save(train(int(sys.argv[1]), int(sys.argv[2])), sys.argv[3])
