"""A glulam policy with memory, trained by TorchRL from what Ray's workers collect.

`pip install ray 'torchrl>=0.14.1,<0.15'` first. With `local` TorchRL's own processes collect, without Ray.
"""

import sys
from functools import partial

import torch
from torchrl.collectors import Collector, MultiSyncCollector
from torchrl.collectors.distributed import RayCollector
from torchrl.envs import GymEnv, InitTracker, RewardSum, SerialEnv, TransformedEnv
from torchrl.modules import set_recurrent_mode
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

import glulam
from glulam.interop.torchrl import actor, critic

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
WORKERS, ENVS, SEGMENT, EPOCHS = 2, 4, 128, 4  # environments of a worker, steps of each in a batch
FRAMES = WORKERS * ENVS * SEGMENT


def make_env(primer, count=ENVS):
    """Return CartPole as TorchRL runs it: starts of episodes marked, memory carried, returns summed."""
    env = TransformedEnv(SerialEnv(count, partial(GymEnv, "CartPole-v1")), InitTracker())
    return env.append_transform(primer.clone()).append_transform(RewardSum())


def make_collector(acting, total, *, local=False):
    """Return batches of FRAMES steps, collected by WORKERS processes with the weights of `acting`."""
    makers = [partial(make_env, acting.make_tensordict_primer())] * WORKERS
    if local:
        return MultiSyncCollector(makers, acting, frames_per_batch=FRAMES, total_frames=total, cat_results="stack")
    return RayCollector(
        makers,
        acting,
        collector_class=Collector,
        frames_per_batch=FRAMES,
        total_frames=total,
        sync=True,
        ray_init_config={"num_cpus": WORKERS, "include_dashboard": False, "log_to_driver": False},
        remote_configs={"num_cpus": 1, "num_gpus": 0, "memory": 2**30},
    )


def train(steps, seed=0, *, local=False):
    """Train for so many steps and return the policy."""
    torch.manual_seed(seed)
    policy = glulam.build(POLICY, glulam.environment_spec("gymnasium:CartPole-v1"))
    acting, valuing = actor(policy), critic(policy)
    advantage = GAE(gamma=0.99, lmbda=0.95, value_network=valuing, deactivate_vmap=True)
    loss = ClipPPOLoss(acting, valuing, critic_coeff=0.5, normalize_advantage=True)
    optimizer = torch.optim.Adam(loss.parameters(), lr=1e-3)
    collector = make_collector(acting, -(-steps // FRAMES) * FRAMES, local=local)
    collector.update_policy_weights_()
    for batch, collected in enumerate(collector):
        data = collected.reshape(-1, SEGMENT)  # rows of whole segments, whichever worker they come from
        with set_recurrent_mode(True):
            advantage(data)
        for _ in range(EPOCHS):
            for rows in torch.randperm(len(data)).split(2):
                losses = loss(data[rows])
                optimizer.zero_grad()
                (losses["loss_objective"] + losses["loss_critic"] + losses["loss_entropy"]).backward()
                torch.nn.utils.clip_grad_norm_(loss.parameters(), 0.5)
                optimizer.step()
        collector.update_policy_weights_()  # the workers act with copies
        ended = data["next", "episode_reward"][data["next", "done"]]
        print(f"update {batch}: return {ended.mean():.1f} of {ended.numel()} episodes", flush=True)
    collector.shutdown()
    return policy


if __name__ == "__main__":  # python ray_collector.py 100000 0 cartpole.safetensors [local]
    glulam.save(train(int(sys.argv[1]), int(sys.argv[2]), local="local" in sys.argv), sys.argv[3])
