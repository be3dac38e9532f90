"""A loss over time: which pairs of steps it takes, by hand, and that its gradient goes below."""

from types import SimpleNamespace

import pytest
import torch
from tensordict import TensorDict

import glulam
from glulam import GlulamError
from glulam_train.configs import PredictionConfig


class TestPairs:
    """One segment of four steps; an episode ends after step 1, and the action of step 2 was ignored."""

    @pytest.fixture
    def loss(self):
        made = PredictionConfig(coef=2.0).build()
        made.map = torch.nn.Linear(1, 1)
        torch.nn.init.constant_(made.map.weight, 1.0)
        torch.nn.init.zeros_(made.map.bias)
        return made

    def test_by_hand(self, loss):
        core = torch.tensor([[[1.0], [2.0], [3.0], [4.0]]], requires_grad=True)
        nothing = torch.zeros(1, 4, dtype=torch.bool)
        stored = {
            "valid": torch.tensor([[True, True, False, True]]),
            "next": {
                "rewards": torch.tensor([[0.0, 50.0, 50.0, 7.0]]),
                "dones": torch.tensor([[False, True, False, False]]),
                "truncateds": nothing,
            },
        }
        value, metrics = loss(TensorDict({"core": core}, batch_size=[1, 4]), TensorDict(stored, batch_size=[1]))
        assert value.item() == pytest.approx(2 * ((1 - 0) ** 2 + (4 - 7) ** 2) / 2)
        assert float(metrics["target_variance"]) == pytest.approx(3.5**2)
        value.backward()
        assert core.grad.flatten().ne(0).tolist() == [True, False, False, True]

    def test_a_minibatch_without_pairs_has_no_error(self, loss):
        core = torch.ones(1, 1, 1, requires_grad=True)
        ended = torch.ones(1, 1, dtype=torch.bool)
        stored = {"valid": ended, "next": {"rewards": torch.ones(1, 1), "dones": ended, "truncateds": ~ended}}
        value, _ = loss(TensorDict({"core": core}, batch_size=[1, 1]), TensorDict(stored, batch_size=[1]))
        assert value.item() == 0
        value.backward()


class TestTraining:
    def test_what_follows_is_what_the_next_step_stored(self, trainer, monkeypatch):
        made = trainer(losses=("ppo", "prediction"), minibatches=1, epochs=1)
        seen = []
        learn = made._learn
        monkeypatch.setattr(made, "_learn", lambda current, part: seen.append(part.stored()) or learn(current, part))
        made.update()
        after = made.rollout.lanes[0].td
        following = seen[0]["next"]
        for key in ("rewards", "dones", "truncateds"):
            assert torch.equal(following[key][:, :-1], seen[0][key][:, 1:])
            assert torch.equal(following[key][:, -1], after[key])

    def test_its_gradient_reaches_the_layers_below_and_its_own_map_learns(self, trainer):
        made = trainer(losses=("ppo", {"loss": "prediction", "coef": 100.0}), max_grad_norm=1e9)
        own = made.terms["prediction"].map.weight
        before = own.clone()
        made.update()
        assert not torch.equal(own, before)
        assert made.policy.layers["toy_memory"].module.into.weight.grad.abs().max() > 1e-3

    def test_it_learns_to_predict(self, trainer):
        """Of the memory, whose state is in `core`, the reward of the last action can be told but in part."""
        made = trainer(losses=("prediction",), learning_rate=0.02, horizon=16, num_envs=16)
        first = made.update()["prediction/error"]
        for _ in range(20):
            last = made.update()
        assert last["prediction/error"] < 0.8 * first
        assert last["prediction/error"] < last["prediction/target_variance"] * 1.05

    def test_a_target_from_the_middle_of_the_network(self, trainer):
        made = trainer(losses=("ppo", {"loss": "prediction", "target_key": "core"}))
        made.update()
        assert made.buffer.following["core"].shape == (8, 8, 4)
        assert made.buffer.following["core"][:, -1].any()
        torch.testing.assert_close(made.buffer.following["core"][:, :-1], made.buffer["core"][:, 1:])


class TestMistakes:
    def test_a_vector_of_unknown_width(self):
        custom = SimpleNamespace(resolved=SimpleNamespace(keys={}))  # a policy whose inside no resolver sees
        with pytest.raises(GlulamError, match="loss prediction: the width of 'core' is not known; set in_key"):
            PredictionConfig().build().initialize(custom)

    def test_a_number_is_no_vector(self):
        with pytest.raises(glulam.PolicyError, match=r"GL401 loss PredictionConfig reads 'values' \(its in_key\) as 1"):
            glulam.resolve("toy", losses=[{"loss": "prediction", "in_key": "values"}])

    def test_a_target_that_nobody_writes(self):
        message = r"GL501 loss PredictionConfig needs 'corr' \(its target_key\), which nothing writes"
        with pytest.raises(glulam.PolicyError, match=message):
            glulam.resolve("toy", losses=[{"loss": "prediction", "target_key": "corr"}])
