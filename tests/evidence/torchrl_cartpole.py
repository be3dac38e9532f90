"""A glulam policy with memory in TorchRL's own loop: Collector, GAE and ClipPPOLoss on CartPole-v1, three seeds."""

import time

import torch
from torchrl.collectors import Collector
from torchrl.envs import (
    ExplorationType,
    GymEnv,
    InitTracker,
    RewardSum,
    SerialEnv,
    TransformedEnv,
    set_exploration_type,
)
from torchrl.modules import set_recurrent_mode
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

import glulam
from glulam.interop.torchrl import actor, critic
from tests.evidence.record import commit, write_result

SEEDS = (0, 1, 2)
STEPS = 100_000
EPISODES = 100
SETTINGS = {"envs": 8, "segment": 128, "epochs": 4, "rows": 2, "learning_rate": 1e-3, "gamma": 0.99, "lmbda": 0.95}
CARTPOLE = glulam.EnvSpec(
    name="CartPole-v1", box=glulam.BoxLayout(shape=(4,)), actions=glulam.ActionSpec(names=("left", "right"))
)
POLICY = {
    "glulam": 1,
    "name": "cartpole",
    "obs_shaper": {"layer": "vector_shaper", "in_key": "env_obs", "out_key": "vector"},
    "layers": [
        {"layer": "mlp", "in_key": "vector", "out_key": "encoded", "hidden_sizes": [64], "out_dim": 64},
        {"layer": "lstm", "in_key": "encoded", "out_key": "core", "hidden_size": 64, "skip": True},
        {"layer": "linear_actor", "in_key": "core", "out_key": "logits"},
        {"layer": "value_head", "in_key": "core", "out_key": "values", "hidden_size": 64},
    ],
    "action_head": {"layer": "action_distribution", "in_key": "logits"},
}


def run():
    """Train and evaluate each seed; one thread."""
    start = commit()
    torch.set_num_threads(1)
    runs = [train_and_evaluate(seed) for seed in SEEDS]
    command = "python -m tests.evidence torchrl_cartpole"
    figures = {"steps": STEPS, "episodes": EPISODES, "settings": SETTINGS, "policy": POLICY, "runs": runs}
    print(write_result("torchrl_cartpole", command, start, **figures))


def train_and_evaluate(seed, steps=STEPS, episodes=EPISODES):
    """Return one run: its raw curve, and its returns in episodes not seen in training."""
    torch.manual_seed(seed)
    policy = glulam.build(POLICY, CARTPOLE)
    started = time.perf_counter()
    curve = list(train(policy, seed, steps))
    minutes = (time.perf_counter() - started) / 60
    evaluation = {
        name: evaluate(policy, kind, seed, episodes)
        for name, kind in (("deterministic", ExplorationType.DETERMINISTIC), ("sampled", ExplorationType.RANDOM))
    }
    print({"seed": seed, "minutes": minutes, **{name: sum(found) / len(found) for name, found in evaluation.items()}})
    return {"seed": seed, "minutes": minutes, "returns": evaluation, "curve": curve}


def make_env(acting, count, seed):
    """Return CartPole as TorchRL runs it: starts of episodes marked, memory carried, returns summed."""
    env = TransformedEnv(SerialEnv(count, lambda: GymEnv("CartPole-v1")), InitTracker())
    env.append_transform(acting.make_tensordict_primer())
    env.append_transform(RewardSum())
    env.set_seed(seed)
    return env


def train(policy, seed, steps):
    """Train a policy, and yield the figures of each batch."""
    acting, valuing = actor(policy), critic(policy)
    advantage = GAE(gamma=SETTINGS["gamma"], lmbda=SETTINGS["lmbda"], value_network=valuing, deactivate_vmap=True)
    loss = ClipPPOLoss(acting, valuing, critic_coeff=0.5, normalize_advantage=True)
    optimizer = torch.optim.Adam(loss.parameters(), lr=SETTINGS["learning_rate"])
    frames = SETTINGS["envs"] * SETTINGS["segment"]
    batches = -(-steps // frames)
    collector = Collector(
        make_env(acting, SETTINGS["envs"], 1000 * seed), acting, frames_per_batch=frames, total_frames=batches * frames
    )
    for batch, data in enumerate(collector):  # data: [envs, segment]
        figures = law(acting, valuing, data)
        for group in optimizer.param_groups:
            group["lr"] = SETTINGS["learning_rate"] * (1 - batch / batches)
        with set_recurrent_mode(True):
            advantage(data)
        for _ in range(SETTINGS["epochs"]):
            for rows in torch.randperm(SETTINGS["envs"]).split(SETTINGS["rows"]):  # whole segments
                losses = loss(data[rows])
                total = losses["loss_objective"] + losses["loss_critic"] + losses["loss_entropy"]
                optimizer.zero_grad()
                total.backward()
                torch.nn.utils.clip_grad_norm_(loss.parameters(), 0.5)
                optimizer.step()
        ended = data["next", "episode_reward"][data["next", "done"]]
        figures |= {"steps": (batch + 1) * frames, "episodes": ended.numel(), "entropy": losses["entropy"].item()}
        yield figures | {"return_mean": ended.mean().item() if ended.numel() else None}
    collector.shutdown()


@torch.no_grad()
def law(acting, valuing, data):
    """Return the largest |ratio - 1| and difference of values between acting and training, weights unchanged."""
    acted = valuing(data.reshape(-1))["state_value"].reshape(*data.shape, 1)
    with set_recurrent_mode(True):
        log_prob = acting.get_dist(data.copy()).log_prob(data["action"])
        values = valuing(data.copy())["state_value"]
    return {
        "resets_inside": int(data["is_init"][:, 1:].sum()),
        "ratio_error": (log_prob - data["action_log_prob"]).exp().sub(1).abs().max().item(),
        "value_error": (values - acted).abs().max().item(),
    }


@torch.no_grad()
def evaluate(policy, kind, seed, episodes):
    """Return the returns of one episode in each of many worlds."""
    acting = actor(policy)
    env = make_env(acting, episodes, 1000 * seed + 500)
    with set_exploration_type(kind):
        data = env.rollout(501, acting, break_when_any_done=False, break_when_all_done=True)  # [episodes, T]
    alive = data["next", "done"].squeeze(-1).cumsum(1) - data["next", "done"].squeeze(-1).long() == 0
    env.close()
    return (data["next", "reward"].squeeze(-1) * alive).sum(1).tolist()
