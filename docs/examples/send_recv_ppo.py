"""PPO over `send` and `recv`, as PufferLib has it: half of the worlds step while the policy acts in the other half."""

import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import torch

import glulam

COPIES, HORIZON, EPOCHS, MINIBATCHES = 32, 33, 3, 4
GAMMA, GAE_LAMBDA, CLIP, VALUE_COEF, ENTROPY_COEF = 0.97, 0.95, 0.2, 0.5, 0.01


class Halves:
    """A vectorised environment in two halves, each stepped in a thread of its own."""

    def __init__(self, uri, seed):
        seeds = (4 * seed, 4 * seed + 2)  # `glulam eval` plays odd ones
        self.envs = [glulam.make_environment(uri, num_envs=COPIES // 2, seed=each) for each in seeds]
        self.rows = COPIES // 2 * self.envs[0].spec.num_agents  # of a half
        self.pool = ThreadPoolExecutor(2)
        self.waiting = deque((half, self.pool.submit(env.reset)) for half, env in enumerate(self.envs))

    def recv(self):
        """Return the rows of the half that has waited longest, and what they see and were paid."""
        self.half, step = self.waiting.popleft()
        td, first = step.result(), self.half * self.rows
        td["env_id"] = td["env_id"] + first  # memory is kept by these ids, in whatever order the halves come
        return slice(first, first + self.rows), td

    def send(self, actions):
        """Let the half that was received last take its actions."""
        self.waiting.append((self.half, self.pool.submit(self.envs[self.half].step, actions)))


@torch.no_grad()
def flat_buffers(policy, uri, rows):
    """Return what is stored of a rollout, `[rows, horizon]`, and the memory before its first step, `[rows]`."""
    shown = policy(glulam.make_environment(uri, num_envs=1, seed=0).reset())  # one step shows shapes and dtypes
    keys = {*policy.in_keys, "dones", "truncateds", "actions", "act_log_prob", "values", "reward"}
    one = shown.set("reward", shown["rewards"]).select(*keys)[:1]
    policy.reset_memory()
    return one.unsqueeze(1).expand(rows, HORIZON).clone(), policy.memory_state(torch.arange(rows))


@torch.no_grad()
def rollout(policy, env, buffer, state):
    """Fill the flat buffers; what came with an observation stands where the observation stands."""
    for place in range(2 * HORIZON):
        rows, td = env.recv()
        before, reward = policy.memory_state(td["env_id"]), td["rewards"]
        if place < 2:
            state[rows] = before  # stored once a segment: what training starts from
        if td["truncateds"].any():  # cut off, not over: worth what the last observation promises as well
            going_on = torch.zeros_like(td["dones"])
            last = td.clone().update({"env_obs": td["final_obs"], "dones": going_on, "truncateds": going_on})
            reward = reward + GAMMA * policy.evaluate(last, before)["values"] * td["truncateds"]
        acted = policy(td).set("reward", reward)
        buffer[rows, place // 2] = acted.select(*buffer.keys())  # a copy: stepping writes over what was received
        env.send(acted["actions"])  # this half steps while the other one is received


def advantages_of(buffer):
    """Return generalised advantage estimates of all steps but the last, `[rows, horizon - 1]`."""
    ended, values = buffer["dones"] | buffer["truncateds"], buffer["values"]
    advantages, running = torch.zeros_like(values[:, 1:]), 0
    for t in reversed(range(HORIZON - 1)):
        alive = (~ended[:, t + 1]).float()
        delta = buffer["reward"][:, t + 1] + GAMMA * values[:, t + 1] * alive - values[:, t]
        advantages[:, t] = running = delta + GAMMA * GAE_LAMBDA * alive * running
    return advantages


def train(steps, seed=0, uri="mettagrid:forage", policy="fast"):
    """Train for so many agent-steps and return the policy."""
    torch.manual_seed(seed)
    env = Halves(uri, seed)
    policy = glulam.build(policy, env.envs[0].spec)
    optimizer = torch.optim.Adam(policy.parameters(), lr=1e-3)
    buffer, state = flat_buffers(policy, uri, 2 * env.rows)
    for update in range(-(-steps // (2 * env.rows * (HORIZON - 1)))):
        rollout(policy, env, buffer, state)
        advantages, batch = advantages_of(buffer), buffer[:, :-1]
        for rows in [part for _ in range(EPOCHS) for part in torch.randperm(len(batch)).chunk(MINIBATCHES)]:
            new, mine = policy.evaluate(batch[rows], state[rows]), advantages[rows]
            ratio = (new["act_log_prob"] - batch["act_log_prob"][rows]).exp()
            mine = (mine - mine.mean()) / (mine.std() + 1e-8)
            surrogate = torch.min(ratio * mine, ratio.clamp(1 - CLIP, 1 + CLIP) * mine).mean()
            value_loss = (new["values"] - (advantages + batch["values"])[rows]).square().mean() / 2
            optimizer.zero_grad()
            (VALUE_COEF * value_loss - surrogate - ENTROPY_COEF * new["entropy"].mean()).backward()
            torch.nn.utils.clip_grad_norm_(policy.parameters(), 0.5)
            optimizer.step()
        print(f"update {update}: {batch['reward'].mean():.4f} a step", flush=True)
    return policy


if __name__ == "__main__":  # python send_recv_ppo.py 200000 0 forage.safetensors
    glulam.save(train(int(sys.argv[1]), int(sys.argv[2])), sys.argv[3])
