"""PPO in TorchRL's own loop, as its examples write it: the peer of glulam's trainer, with the same modules and numbers.

`Collector`, `GAE`, `ReplayBuffer` and `ClipPPOLoss` as in TorchRL's recurrent PPO example; the environment is one
`EnvBase` over all rows of a glulam environment, with no process or object a row.

Legend: `B` rows of the environment, `H` steps of a rollout.
"""

import warnings

import attrs
import torch
from tensordict import TensorDict
from tensordict.nn import TensorDictModule
from torch import distributions, nn

from glulam.interop.torchrl import KEYS, PolicyModule, actor, critic

with warnings.catch_warnings():  # torchrl warns of its own classes when it is first imported
    warnings.filterwarnings("ignore", "Creating .* which inherits from WeightUpdaterBase", DeprecationWarning)
    from torchrl.collectors import Collector
from torchrl.data import Bounded, Categorical, Composite, LazyTensorStorage, ReplayBuffer, Unbounded
from torchrl.data.replay_buffers.samplers import SamplerWithoutReplacement
from torchrl.envs import EnvBase, InitTracker, TransformedEnv
from torchrl.envs.utils import ExplorationType
from torchrl.modules import ProbabilisticActor, set_recurrent_mode
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

__all__ = ["WAYS", "TorchRlPpo", "World"]

CLIP, VALUE_COEF, ENTROPY_COEF = 0.2, 0.5, 0.01
FLAGS = ("done", "terminated", "truncated")


class World(EnvBase):
    """All rows of a glulam environment that starts episodes anew in the step that ends them.

    TorchRL asks for a reset after such a step; what it is given then has been there since.
    """

    def __init__(self, environment):
        td = environment.reset()
        super().__init__(batch_size=td.batch_size)
        self.environment, self.first = environment, td["env_obs"]
        rows, shape = td.batch_size, td["env_obs"].shape
        flags = {name: Categorical(2, shape=(*rows, 1), dtype=torch.bool) for name in FLAGS}
        self.observation_spec = Composite(observation=Bounded(0, 255, shape, dtype=torch.uint8), shape=rows)
        self.action_spec = Categorical(environment.spec.num_actions, shape=rows)
        self.reward_spec = Unbounded(shape=(*rows, 1))
        self.done_spec = Composite(flags, shape=rows)

    def _step(self, td):
        found = self.environment.step(td["action"])
        terminated, truncated = found["dones"][:, None].clone(), found["truncateds"][:, None].clone()
        done, self.first = terminated | truncated, found["env_obs"]
        observation = self.first.clone()  # the environment writes over its tensors in the next step
        if done.any():
            ended = done[:, 0]
            observation[ended] = found["final_obs"][ended]
        flags = {"done": done, "terminated": terminated, "truncated": truncated}
        reward = found["rewards"][:, None].clone()
        return TensorDict({"observation": observation, "reward": reward, **flags}, self.batch_size)

    def _reset(self, td):
        flags = {name: torch.zeros(*self.batch_size, 1, dtype=torch.bool) for name in FLAGS}
        return TensorDict({"observation": self.first.clone(), **flags}, self.batch_size)

    def _set_seed(self, seed):
        """Leave the seed, which the environment was made with."""


@attrs.frozen
class Options:
    """What differs from TorchRL's defaults.

    Attributes:
        collector: arguments of `Collector`.
        advantage: arguments of `GAE`.
        by_hand: minibatches are rows of the batch, taken by their numbers, in place of a `ReplayBuffer`.
        one_pass: the critic of the loss is handed the values that the actor's pass has found.
    """

    collector: dict = attrs.Factory(dict)
    advantage: dict = attrs.Factory(dict)
    by_hand: bool = False
    one_pass: bool = False


# `compact_obs` is not among them: it drops the observation that a batch ends with, whose value is wanted.
EXAMPLE = Options(advantage={"deactivate_vmap": True})
SHIFTED = Options({"track_traj_ids": False}, {"shifted": True, "shifted_budget": 2})
WAYS = {
    "torchrl": EXAMPLE,
    "torchrl, options": SHIFTED,
    "torchrl, options, loop by hand": attrs.evolve(SHIFTED, by_hand=True),
    "torchrl, options, one pass": attrs.evolve(SHIFTED, by_hand=True, one_pass=True),
}


class TorchRlPpo:
    """Collects H steps of every row and learns from them, in epochs of minibatches of whole rows.

    Args:
        policy: a policy of glulam's.
        environment: of glulam's protocol, `same_step`.
        settings: as for `PlainPpo`, and `epochs` and `minibatches`.
        options: what differs from TorchRL's defaults, see `WAYS`.
        greedy: take the likeliest actions.
    """

    def __init__(self, policy, environment, settings, options, *, greedy=False):
        self.settings, self.options = settings, options
        acting, valuing = actor(policy, action="categorical"), critic(policy)
        env = TransformedEnv(World(environment), InitTracker())
        env.append_transform(acting.make_tensordict_primer())
        rows = env.batch_size[0]
        self.collector = Collector(
            env,
            acting,
            frames_per_batch=rows * settings.horizon,
            total_frames=-1,
            auto_register_policy_transforms=False,  # they stand above
            **options.collector,
            exploration_type=ExplorationType.DETERMINISTIC if greedy else ExplorationType.RANDOM,
        )
        self.batches = iter(self.collector)
        self.buffer = ReplayBuffer(
            storage=LazyTensorStorage(rows),
            sampler=SamplerWithoutReplacement(),
            batch_size=rows // settings.minibatches,
        )
        self.advantage = GAE(
            gamma=settings.gamma, lmbda=settings.gae_lambda, value_network=valuing, **options.advantage
        )
        self.loss = ClipPPOLoss(
            telling_actor(policy) if options.one_pass else acting,
            TensorDictModule(nn.Identity(), ["found"], ["state_value"]) if options.one_pass else valuing,
            clip_epsilon=CLIP,
            critic_coeff=VALUE_COEF / 2,  # of the square, where ours is of half of it
            entropy_coeff=ENTROPY_COEF,
            loss_critic_type="l2",
            normalize_advantage=True,
        )
        self.weights = list(policy.parameters())
        self.adam = torch.optim.Adam(self.weights, lr=settings.learning_rate, eps=settings.adam_eps, fused=True)

    def update(self):
        """Collect and learn."""
        data = next(self.batches)  # (B, H)
        with torch.no_grad(), set_recurrent_mode(True):
            self.advantage(data)
        for _ in range(self.settings.epochs):
            for part in self.parts(data):
                losses = self.loss(part)
                self.learn(losses["loss_objective"] + losses["loss_critic"] + losses["loss_entropy"])

    def parts(self, data):
        """Yield minibatches of whole rows, each row once."""
        if self.options.by_hand:
            for rows in torch.randperm(len(data)).chunk(self.settings.minibatches):
                yield data[rows]
            return
        self.buffer.extend(data)
        yield from self.buffer

    def learn(self, loss):
        self.adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, self.settings.max_grad_norm)
        self.adam.step()

    def close(self):
        self.collector.shutdown()


class TellingValues(PolicyModule):
    """Log probabilities as the actor's module gives them, and the values that the same pass has found."""

    def __init__(self, policy):
        super().__init__(policy, KEYS, "full_log_probs", "full_log_probs", acts=True)
        self.out_keys = [*self.out_keys, "found"]

    def forward(self, td):
        return super().forward(td).set("found", self.found[..., None])

    def _replay(self, inputs, state):
        result = super()._replay(inputs, state)
        self.found = result["values"]
        return result


def telling_actor(policy):
    """Return the actor of a loss whose critic reads what this one has found."""
    module = TellingValues(policy)
    return ProbabilisticActor(module, ["logits"], ["action"], distribution_class=distributions.Categorical)
