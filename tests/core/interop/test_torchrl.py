"""A glulam policy inside TorchRL's own Collector, GAE and ClipPPOLoss; the oracle is glulam's own acting."""

import copy
import pickle
import warnings

import pytest
import torch
from tensordict import TensorDict

from glulam.interop.torchrl import actor, critic

with warnings.catch_warnings():  # torchrl warns of its own classes when it is first imported
    warnings.filterwarnings("ignore", "Creating .* which inherits from WeightUpdaterBase", DeprecationWarning)
from torchrl.envs import ExplorationType, GymEnv, InitTracker, TransformedEnv
from torchrl.envs.utils import set_exploration_type
from torchrl.modules import set_recurrent_mode
from torchrl.modules.utils import get_primers_from_module
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

from tests.core.interop.conftest import ROWS, STEPS, assert_close, build, collect, world

# --- the law: the same weights and data give the same numbers


def test_a_collector_records_what_glulam_does(data, played):
    assert_close(data["action_log_prob"], played["act_log_prob"])
    assert_close(data["logits"], played["full_log_probs"])


def test_a_sequence_gives_what_was_acted(policy, data, played):
    with set_recurrent_mode(True):
        dist = actor(policy).get_dist(data.copy())
        values = critic(policy)(data.copy())["state_value"]
    ratio = (dist.log_prob(data["action"]) - data["action_log_prob"]).exp()
    assert (ratio - 1).abs().max() <= 1e-5
    assert_close(dist.entropy(), -(played["full_log_probs"].exp() * played["full_log_probs"]).sum(-1))
    assert_close(values.squeeze(-1), played["values"])


@pytest.mark.parametrize("options", [{"deactivate_vmap": True}, {"shifted": True, "shifted_budget": STEPS}])
@pytest.mark.parametrize("cut", ["none", "within the first episode", "behind the first step of an episode"])
def test_the_values_in_an_advantage(policy, data, played, after, options, cut):
    second = int(data["is_init"][0, 1:, 0].nonzero()[0]) + 1
    data = data[:, : {"none": STEPS, "within the first episode": 5}.get(cut, second + 1)]
    assert data["is_init"][:, 0].all()
    steps = data.shape[1]
    with set_recurrent_mode(True):
        GAE(gamma=0.9, lmbda=0.8, value_network=critic(policy), **options)(data)
    assert_close(data["state_value"].squeeze(-1), played["values"][:, :steps])
    advantage, expected = torch.zeros(ROWS), torch.zeros(ROWS, steps)
    reward, done, terminated = (data["next", key].squeeze(-1) for key in ("reward", "done", "terminated"))
    for t in reversed(range(steps)):
        delta = reward[:, t] + 0.9 * after[:, t] * ~terminated[:, t] - played["values"][:, t]
        advantage = delta + 0.9 * 0.8 * advantage * ~done[:, t]
        expected[:, t] = advantage
    torch.testing.assert_close(data["advantage"].squeeze(-1), expected, rtol=1e-5, atol=1e-5)


def test_steps_are_values_too(policy, data, played):
    assert_close(critic(policy)(data.reshape(-1))["state_value"].reshape(ROWS, STEPS), played["values"])


def test_segments_may_begin_anywhere(policy, data):
    with set_recurrent_mode(True):
        whole = actor(policy).get_dist(data.copy()).logits
        part = actor(policy).get_dist(data[1:, 7:23].copy()).logits
        row = actor(policy).get_dist(data[2].copy()).logits
        many = actor(policy).get_dist(data[None, :, None].copy()).logits
    assert_close(part, whole[1:, 7:23])
    assert_close(row, whole[2])
    assert_close(many, whole[None, :, None])


def test_a_loss_reaches_every_parameter(policy, data):
    policy.zero_grad()
    loss = ClipPPOLoss(actor(policy), critic(policy))
    assert set(loss.parameters()) == set(policy.parameters())
    with set_recurrent_mode(True):
        GAE(gamma=0.9, lmbda=0.8, value_network=critic(policy), deactivate_vmap=True)(data)
    losses = loss(data)
    assert losses["clip_fraction"] == 0
    assert abs(losses["kl_approx"]) <= 1e-6
    (losses["loss_objective"] + losses["loss_critic"] + losses["loss_entropy"]).backward()
    for name, parameter in policy.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any() or name.endswith("bias"), name  # a bias of attention's keys shifts nothing


def test_a_loss_can_compute_its_own_advantage(policy, data):
    loss = ClipPPOLoss(actor(policy), critic(policy))
    loss.make_value_estimator(gamma=0.9, lmbda=0.8, deactivate_vmap=True)
    assert loss(data)["loss_objective"].isfinite()


# --- memory in the TensorDict


def test_rollout_memory_of_glulam_is_left_alone(lstm):
    data = collect(actor(lstm))
    td = TensorDict({"env_obs": torch.ones(2, 4), "env_id": torch.arange(2)}, [2])
    lstm(td.update({"dones": torch.zeros(2, dtype=torch.bool), "truncateds": torch.zeros(2, dtype=torch.bool)}))
    before = lstm.memory_state(td["env_id"])
    loss = ClipPPOLoss(actor(lstm), critic(lstm))
    lstm.reserve(5)
    with set_recurrent_mode(True):
        GAE(gamma=0.9, lmbda=0.8, value_network=critic(lstm), deactivate_vmap=True)(data)
    loss(data)
    assert before["core", "h"].any()
    assert (lstm.memory_state(td["env_id"]) == before).all()


def test_the_primer_carries_the_memory(lstm):
    acting = actor(lstm)
    primer = acting.make_tensordict_primer()
    assert {key: tuple(spec.shape) for key, spec in primer.primers.items(True, True)} == {
        ("glulam", "core", "h"): (2, 8),
        ("glulam", "core", "c"): (2, 8),
    }
    td = world(acting).reset()
    assert td["glulam", "core", "h"].shape == (ROWS, 2, 8)
    assert not td["glulam", "core", "h"].any()
    assert get_primers_from_module(acting).primers == primer.primers


def test_a_start_forgets_what_is_stored(lstm):
    acting = actor(lstm)
    td = world(acting).reset()
    fresh = acting(td.clone())
    stale = td.clone()
    stale["glulam", "core", "h"] += 1
    stale["is_init"][0] = False
    acting(stale)
    assert not stale["glulam", "core", "h"][1:].any()  # so that a replay starts from the same
    assert stale["glulam", "core", "h"][0].all()
    assert_close(stale["logits"][1:], fresh["logits"][1:])
    assert_close(stale["next", "glulam", "core", "c"][1:], fresh["next", "glulam", "core", "c"][1:])
    assert (stale["logits"][0] != fresh["logits"][0]).all()


def test_without_a_batch_dim():
    policy = build()
    acting = actor(policy)
    env = TransformedEnv(GymEnv("CartPole-v1"), InitTracker())
    env.append_transform(acting.make_tensordict_primer())
    env.set_seed(1)
    data = env.rollout(5, acting)
    with set_recurrent_mode(True):
        assert_close(acting.get_dist(data.copy()).logits, data["logits"])


def test_copies_and_pickles(lstm):
    acting = actor(lstm)
    td = world(acting).reset()
    with set_exploration_type(ExplorationType.DETERMINISTIC):
        expected = acting(td.clone())
        for other in (copy.deepcopy(acting), pickle.loads(pickle.dumps(acting))):  # noqa: S301 - our own bytes
            assert (other(td.clone()) == expected).all()


def test_no_memory_needs_none_of_it():
    policy = build("none")
    acting, valuing = actor(policy), critic(policy)
    assert acting.in_keys == valuing.in_keys == ["observation"]
    assert "glulam" not in world(acting).reset()
    data = collect(acting)
    GAE(gamma=0.9, lmbda=0.8, value_network=valuing)(data)
    dist = acting.get_dist(data.copy())
    assert_close(dist.log_prob(data["action"]), data["action_log_prob"])
    assert data["state_value"].shape == (ROWS, STEPS, 1)
    assert ClipPPOLoss(acting, valuing)(data)["loss_critic"] > 0
