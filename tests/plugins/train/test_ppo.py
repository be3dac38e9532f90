"""The PPO loss against TorchRL's `ClipPPOLoss` and against numbers worked out by hand."""

import math

import pytest
import torch
from tensordict import TensorDict
from tensordict.nn import TensorDictModule
from torch import nn
from torchrl.modules import ProbabilisticActor
from torchrl.objectives import ClipPPOLoss

from glulam_train.configs import PpoConfig


def batch(seed=0, rows=6, steps=5, actions=4):
    """Logits and values of a moved policy, and what was stored when it acted."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(rows, steps, *shape, generator=generator)

    old = normal(actions).log_softmax(-1)
    chosen = torch.randint(actions, (rows, steps), generator=generator)
    stored = {
        "actions": chosen,
        "act_log_prob": old.gather(-1, chosen[..., None]).squeeze(-1),
        "values": normal(),
        "advantages": 2 * normal() + 1,
        "returns": 3 * normal(),
        "valid": torch.ones(rows, steps, dtype=torch.bool),
    }
    logits = (old + 0.3 * normal(actions)).requires_grad_()
    values = (stored["values"] + 0.3 * normal()).requires_grad_()
    return logits, values, TensorDict(stored, batch_size=[rows, steps])


def ours(config, logits, values, stored):
    table = logits.log_softmax(-1)
    current = {
        config.log_prob_key: table.gather(-1, stored["actions"][..., None]).squeeze(-1),
        config.entropy_key: -(table.exp() * table).sum(-1),
        config.values_key: values,
    }
    return config.build()(TensorDict(current, batch_size=stored.batch_size), stored)


def theirs(config, logits, values, stored):
    """The same loss by TorchRL; its value loss has no half."""
    actor = ProbabilisticActor(
        TensorDictModule(nn.Identity(), in_keys=["logits_in"], out_keys=["logits"]),
        in_keys=["logits"],
        distribution_class=torch.distributions.Categorical,
        return_log_prob=True,
    )
    critic = TensorDictModule(nn.Identity(), in_keys=["value_in"], out_keys=["state_value"])
    loss = ClipPPOLoss(
        actor,
        critic,
        clip_epsilon=config.clip,
        entropy_coeff=config.entropy_coef,
        critic_coeff=config.value_coef / 2,
        loss_critic_type="l2",
        normalize_advantage=config.normalize_advantage,
        clip_value=config.clip_values,
        separate_losses=False,
    )
    td = {
        "logits_in": logits,
        "value_in": values.unsqueeze(-1),
        "action": stored["actions"],
        loss.tensor_keys.sample_log_prob: stored["act_log_prob"],
        "advantage": stored["advantages"].unsqueeze(-1),
        "value_target": stored["returns"].unsqueeze(-1),
        "state_value": stored["values"].unsqueeze(-1),
    }
    out = loss(TensorDict(td, batch_size=stored.batch_size))
    return out["loss_objective"] + out["loss_critic"] + out["loss_entropy"], out


CONFIGS = [
    PpoConfig(),
    PpoConfig(normalize_advantage=False, clip=0.05),
    PpoConfig(clip_values=0.1, value_coef=2.0, entropy_coef=0.0),
]


@pytest.mark.parametrize("config", CONFIGS, ids=["defaults", "raw", "clipped values"])
@pytest.mark.parametrize("seed", range(3))
def test_loss_and_gradients_equal_torchrls(config, seed):
    logits, values, stored = batch(seed)
    loss, metrics = ours(config, logits, values, stored)
    gradients = torch.autograd.grad(loss, [logits, values])
    expected, details = theirs(config, logits, values, stored)
    expected_gradients = torch.autograd.grad(expected, [logits, values])
    torch.testing.assert_close(loss, expected.squeeze(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(gradients, expected_gradients, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(metrics["clip_fraction"], details["clip_fraction"].squeeze())


class TestByHand:
    """One action with log-ratio log(2) and log(0.5); the values are 1 off."""

    @pytest.fixture
    def result(self):
        shape = {"batch_size": [1, 2]}
        current = {
            "act_log_prob": torch.tensor([[math.log(2.0), math.log(0.5)]]),
            "entropy": torch.tensor([[1.0, 3.0]]),
            "values": torch.tensor([[1.0, 2.0]]),
        }
        stored = {
            "act_log_prob": torch.zeros(1, 2),
            "advantages": torch.tensor([[1.0, -1.0]]),
            "values": torch.tensor([[0.0, 4.0]]),
            "returns": torch.tensor([[0.0, 3.0]]),
            "valid": torch.ones(1, 2, dtype=torch.bool),
        }
        config = PpoConfig(normalize_advantage=False, value_coef=0.5, entropy_coef=0.1)
        return config.build()(TensorDict(current, **shape), TensorDict(stored, **shape))

    def test_the_loss(self, result):
        # surrogate (1.2 - 0.8) / 2 = 0.2, value 0.5 x 1, entropy 2
        assert float(result[0]) == pytest.approx(-0.2 + 0.5 * 0.5 - 0.1 * 2)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("policy_loss", -0.2),
            ("value_loss", 0.5),
            ("entropy", 2.0),
            ("approx_kl", ((2 - 1 - math.log(2)) + (0.5 - 1 + math.log(2))) / 2),
            ("clip_fraction", 1.0),
            ("explained_variance", 1 - 0.25 / 2.25),
        ],
    )
    def test_a_metric(self, result, name, value):
        assert float(result[1][name]) == pytest.approx(value)
        assert not result[1][name].requires_grad


def test_equal_advantages_carry_no_signal():
    logits, values, stored = batch()
    stored["advantages"] = torch.full_like(stored["advantages"], 5.0)
    _, metrics = ours(PpoConfig(), logits, values, stored)
    assert float(metrics["policy_loss"]) == pytest.approx(0, abs=1e-5)


def test_a_minibatch_of_one_step_is_finite():
    logits, values, stored = batch(rows=1, steps=1)
    loss, _ = ours(PpoConfig(), logits, values, stored)
    assert torch.isfinite(loss)


def test_steps_whose_actions_were_ignored_count_for_nothing():
    """Oracle: the same numbers with those steps cut out, as segments of one step."""
    logits, values, stored = batch()
    stored["valid"] = torch.rand(stored.batch_size, generator=torch.Generator().manual_seed(1)) < 0.6
    loss, metrics = ours(PpoConfig(clip_values=0.1), logits, values, stored)
    kept = stored["valid"]
    left = stored[kept].unsqueeze(1)
    expected, details = ours(PpoConfig(clip_values=0.1), logits[kept].unsqueeze(1), values[kept].unsqueeze(1), left)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(metrics, details)
    gradients = torch.autograd.grad(loss, [logits, values])
    assert not any(gradient[~kept].any() for gradient in gradients)
    assert all(gradient[kept].any() for gradient in gradients)


def test_keys_can_be_renamed():
    logits, values, stored = batch()
    names = {"old_log_prob_key": "old_log_prob", "old_values_key": "old_values", "returns_key": "targets"}
    renamed = PpoConfig(log_prob_key="log_prob", entropy_key="h", values_key="critic_values", **names)
    assert renamed.in_keys == ["log_prob", "h", "critic_values"]
    assert renamed.stored_keys == ["old_log_prob", "old_values", "advantages", "targets", "valid"]
    assert renamed.computed_keys == ["advantages", "targets", "valid"]
    moved = stored.clone(recurse=False)
    for old, new in (("act_log_prob", "old_log_prob"), ("values", "old_values"), ("returns", "targets")):
        moved.rename_key_(old, new)
    assert torch.equal(ours(renamed, logits, values, moved)[0], ours(PpoConfig(), logits, values, stored)[0])
