"""The categorical distribution: sampling, scoring, masks. Names: test_distribution_names."""

import pytest
import torch
from hypothesis import given, settings
from tensordict import TensorDict
from torch.distributions import Categorical

from glulam_heads.configs import ActionDistributionConfig
from glulam_heads.distribution import ActionDistribution
from tests.plugins.heads.oracle import batches, categorical


class TestScoring:
    """Oracle: `torch.distributions.Categorical`."""

    @settings(deadline=None, max_examples=60)
    @given(batch=batches())
    def test_log_probs_and_entropy(self, batch):
        logits, mask, actions = batch
        log_prob, entropy, full = ActionDistribution().score(logits, mask, actions)
        oracle = categorical(logits, mask)
        torch.testing.assert_close(log_prob, oracle.log_prob(actions), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(entropy, oracle.entropy(), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(full.exp(), oracle.probs, atol=1e-6, rtol=0)

    @settings(deadline=None, max_examples=60)
    @given(batch=batches())
    def test_gradients(self, batch):
        logits, mask, actions = batch
        logits.requires_grad_()
        log_prob, entropy, _ = ActionDistribution().score(logits, mask, actions)
        (found,) = torch.autograd.grad((log_prob + 0.3 * entropy).sum(), logits)
        allowed = torch.ones_like(logits, dtype=torch.bool) if mask is None else mask
        for b in range(len(logits)):  # the oracle over the allowed actions alone: -inf would give it NaN gradients
            columns = allowed[b].nonzero().squeeze(1)
            oracle = Categorical(logits=logits[b, columns])
            chosen = oracle.log_prob((columns == actions[b]).nonzero().squeeze())
            (expected,) = torch.autograd.grad(chosen + 0.3 * oracle.entropy(), logits)
            torch.testing.assert_close(found[b], expected[b], atol=1e-5, rtol=1e-4)

    def test_what_was_acted_is_scored_alike(self):
        head, logits = ActionDistribution(), torch.randn(50, 4)
        actions, acted = head.act(logits)
        assert torch.equal(head.score(logits, None, actions)[0], acted)

    def test_a_foreign_layers_minus_infinity_is_no_nan(self):
        logits = torch.tensor([[0.0, -torch.inf, 0.0]], requires_grad=True)
        _, entropy, _ = ActionDistribution().score(logits, None, torch.tensor([0]))
        entropy.sum().backward()
        assert entropy.item() == pytest.approx(0.6931, abs=1e-4)
        assert logits.grad.isfinite().all()


class TestSampling:
    """Oracle: the probabilities themselves, by a chi-squared test; and the seed."""

    def test_frequencies_are_the_probabilities(self):
        torch.manual_seed(0)
        probs = torch.tensor([0.5, 0.3, 0.15, 0.05])
        actions, _ = ActionDistribution().act(probs.log().expand(20_000, 4))
        expected = probs * 20_000
        statistic = ((actions.bincount(minlength=4) - expected) ** 2 / expected).sum()
        assert statistic < 16.3  # the 99.9 % point with three degrees of freedom

    def test_log_probs_are_of_the_actions_taken(self):
        logits = torch.randn(100, 5)
        actions, log_prob = ActionDistribution().act(logits)
        assert actions.dtype == torch.int64
        torch.testing.assert_close(log_prob, Categorical(logits=logits).log_prob(actions))

    def test_the_seed_decides(self):
        logits = torch.zeros(64, 6)
        runs = []
        for seed in (3, 3, 4):
            torch.manual_seed(seed)
            runs.append(ActionDistribution().act(logits)[0])
        assert torch.equal(runs[0], runs[1])
        assert not torch.equal(runs[0], runs[2])

    def test_greedy_takes_the_likeliest_and_draws_nothing(self):
        head, logits = ActionDistribution(), torch.randn(64, 6)
        head.set_greedy(True)
        before = torch.get_rng_state()
        actions, log_prob = head.act(logits)
        assert torch.equal(actions, logits.argmax(-1))
        torch.testing.assert_close(log_prob, logits.log_softmax(-1).amax(-1))
        assert torch.equal(torch.get_rng_state(), before)
        head.set_greedy(False)
        assert not torch.equal(head.act(logits)[0], actions)

    def test_forward_acts(self):
        torch.manual_seed(0)
        actions, _ = ActionDistribution()(torch.zeros(8, 3))
        torch.manual_seed(0)
        assert torch.equal(ActionDistribution().act(torch.zeros(8, 3))[0], actions)


class TestMasks:
    @settings(deadline=None, max_examples=40)
    @given(batch=batches())
    def test_a_masked_action_is_never_taken(self, batch):
        logits, mask, _ = batch
        mask = torch.ones_like(logits, dtype=torch.bool) if mask is None else mask
        repeated, masks = logits.repeat(50, 1), mask.repeat(50, 1)
        for greedy in (False, True):
            head = ActionDistribution()
            head.set_greedy(greedy)
            actions, log_prob = head.act(repeated, masks)
            assert masks.gather(1, actions[:, None]).all()
            assert log_prob.isfinite().all()

    def test_a_clock_that_rings_at_zero_does_not_let_a_masked_action_win(self, monkeypatch):
        monkeypatch.setattr(torch.Tensor, "exponential_", torch.Tensor.zero_)
        mask = torch.tensor([[False, True, False]])
        actions, _ = ActionDistribution().act(torch.zeros(1, 3), mask)
        assert actions.tolist() == [1]

    def test_a_row_that_allows_nothing_is_uniform_and_finite(self):
        logits = torch.randn(2, 4, requires_grad=True)
        mask = torch.tensor([[False] * 4, [True] * 4])
        head = ActionDistribution()
        _, log_prob = head.act(logits, mask)
        assert log_prob[0].item() == pytest.approx(-torch.tensor(4.0).log().item())
        results = head.score(logits, mask, torch.tensor([2, 2]))
        sum(result.sum() for result in results).backward()
        assert all(result.isfinite().all() for result in results)
        assert logits.grad.isfinite().all()
        assert not logits.grad[0].any()

    @pytest.mark.parametrize("weight", [0.5, 2.0, 1e4])
    def test_entropy_and_its_gradient_are_those_of_what_is_allowed(self, weight):
        """Oracle: the same without the masked columns; a weight over 1 made the masked ones NaN."""
        torch.manual_seed(0)
        logits = torch.randn(3, 5, requires_grad=True)
        mask = torch.tensor([True, False, True, True, False])
        _, entropy, _ = ActionDistribution().score(logits, mask.expand(3, 5), torch.tensor([0, 2, 3]))
        (grad,) = torch.autograd.grad((weight * entropy).sum(), logits)
        few = logits.detach()[:, mask].requires_grad_()
        wanted = torch.distributions.Categorical(logits=few).entropy()
        (wanted_grad,) = torch.autograd.grad((weight * wanted).sum(), few)
        torch.testing.assert_close(entropy, wanted)
        torch.testing.assert_close(grad[:, mask], wanted_grad)
        assert not grad[:, ~mask].any()


class TestAlone:
    """The layer on a TensorDict, without a policy around it."""

    @pytest.mark.parametrize("fields", [{}, {"mask_key": "allowed"}])
    def test_it_acts_within_the_mask(self, fields):
        layer = ActionDistributionConfig(**fields).instantiate()
        mask = torch.tensor([[True, False, False]]).expand(50, 3)
        key = fields.get("mask_key", "action_mask")
        td = layer(TensorDict({"logits": torch.zeros(50, 3), key: mask}, batch_size=[50]))
        assert not td["actions"].any()
        assert not td["act_log_prob"].any()
        assert "entropy" not in td

    @pytest.mark.parametrize(("fields", "offered"), [({"mask_key": None}, ["action_mask"]), ({}, [])])
    def test_without_one_all_are_allowed(self, fields, offered):
        torch.manual_seed(0)
        layer = ActionDistributionConfig(**fields).instantiate()
        masks = {key: torch.tensor([[True, False, False]]).expand(50, 3) for key in offered}
        td = layer(TensorDict({"logits": torch.zeros(50, 3)} | masks, batch_size=[50]))
        assert set(td["actions"].tolist()) == {0, 1, 2}
