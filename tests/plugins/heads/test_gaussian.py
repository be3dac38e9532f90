"""Actions that are numbers: normal, in units of their range."""

from math import exp, inf, log

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from tensordict import TensorDict
from torch.distributions import Independent, Normal

from glulam import GlulamError
from glulam_heads.configs import GaussianDistributionConfig
from glulam_heads.gaussian import GaussianDistribution

BOUNDS = {"steer": (-1, 1), "gas": (0, 10), "lean": (-inf, inf), "lift": (2, inf)}
MIDDLES, HALVES = torch.tensor([0.0, 5, 0, 3]), torch.tensor([1.0, 5, 1, 1])  # by hand, in the order above
ORDER = list(BOUNDS)


@pytest.fixture(scope="session")
def driving(world):
    """Return a function: names of numbers to a world."""

    def make(names):
        low, high = zip(*(BOUNDS.get(name, (-4, 8)) for name in names), strict=True)
        return world(names, low=low, high=high)

    return make


def ready(driving, seed=0):
    """Return a head in the world of all numbers, with standard deviations of all sizes."""
    head = GaussianDistribution(6)
    torch.nn.init.normal_(head.log_std, generator=torch.Generator().manual_seed(seed))
    head.initialize_to_environment(driving(ORDER))
    return head


def oracle(head, means, columns=(0, 1, 2, 3)):
    """Return the distribution over those numbers, in the environment's units."""
    columns = list(columns)
    std = head.log_std[columns].exp() * HALVES[columns]
    return Independent(Normal(MIDDLES[columns] + HALVES[columns] * means, std.expand_as(means)), 1)


class TestScoring:
    """Oracle: `torch.distributions.Normal`."""

    @settings(deadline=None, max_examples=40)
    @given(seed=st.integers(0, 99), rows=st.integers(1, 5), scale=st.sampled_from([0.1, 1.0, 5.0]))
    def test_log_probs_entropy_and_gradients(self, driving, seed, rows, scale):
        head, generator = ready(driving, seed), torch.Generator().manual_seed(seed)
        means = (torch.randn(rows, 4, generator=generator) * scale).requires_grad_()
        actions = MIDDLES + HALVES * torch.randn(rows, 4, generator=generator)
        log_prob, entropy = head.score(means, actions)
        expected = oracle(head, means)
        torch.testing.assert_close(log_prob, expected.log_prob(actions), atol=1e-4, rtol=1e-5)
        torch.testing.assert_close(entropy, expected.entropy(), atol=1e-5, rtol=1e-5)
        parameters = (means, head.log_std)
        found = torch.autograd.grad((log_prob + 0.3 * entropy).sum(), parameters)
        wanted = torch.autograd.grad((expected.log_prob(actions) + 0.3 * expected.entropy()).sum(), parameters)
        torch.testing.assert_close(found, wanted, atol=1e-3, rtol=1e-4)

    def test_what_was_acted_is_scored_alike(self, driving):
        head, means = ready(driving), torch.randn(50, 4)
        actions, acted = head.act(means)
        assert torch.equal(head.score(means, actions)[0], acted)

    def test_acting_is_no_way_for_the_gradient(self, driving):
        head, means = ready(driving), torch.randn(50, 4, requires_grad=True)
        actions, acted = head.act(means)
        assert not actions.requires_grad
        found = torch.autograd.grad(acted.sum(), means)
        torch.testing.assert_close(found, torch.autograd.grad(head.score(means, actions)[0].sum(), means))


class TestSampling:
    def test_samples_are_normal_around_the_mean_and_go_beyond_the_bounds(self, driving):
        torch.manual_seed(0)
        head = ready(driving)
        means = torch.tensor([0.5, -0.2, 3.0, 0.0])
        actions, _ = head.act(means.expand(20_000, 4))
        expected = oracle(head, means.expand(1, 4)).base_dist
        z = (actions - expected.loc) / expected.scale
        assert (z.mean(0).abs() < 4 / 20_000**0.5).all()
        assert ((z.square().mean(0) - 1).abs() < 4 * (2 / 20_000) ** 0.5).all()
        within = (z.abs() < 1).float().mean(0)
        assert ((within - 0.6827).abs() < 0.014).all()  # four standard deviations
        assert z.T.corrcoef().triu(1).abs().max() < 0.03
        assert actions[:, 0].max() > 1

    def test_the_seed_decides(self, driving):
        head, means, runs = ready(driving), torch.zeros(8, 4), []
        for seed in (3, 3, 4):
            torch.manual_seed(seed)
            runs.append(head(means)[0])
        assert torch.equal(runs[0], runs[1])
        assert (runs[0] != runs[2]).all()

    def test_greedy_takes_the_mean_and_draws_nothing(self, driving):
        head, means = ready(driving), torch.randn(8, 4)
        head.set_greedy(True)
        before = torch.get_rng_state()
        actions, log_prob = head.act(means)
        torch.testing.assert_close(actions, MIDDLES + HALVES * means)
        torch.testing.assert_close(log_prob, oracle(head, means).log_prob(actions), atol=1e-5, rtol=1e-5)
        assert torch.equal(torch.get_rng_state(), before)
        head.set_greedy(False)
        assert (head.act(means)[0] != actions).all()

    @pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
    def test_actions_are_float32_whatever_the_policy_is(self, driving, dtype):
        head = ready(driving).to(dtype)
        means = torch.randn(50, 4, dtype=dtype)
        actions, acted = head.act(means)
        log_prob, entropy = head.score(means, actions)
        assert actions.dtype == torch.float32
        assert acted.dtype == log_prob.dtype == entropy.dtype == dtype
        assert torch.equal(log_prob, acted)
        head.double()
        expected = oracle(head, means.double()).log_prob(actions.double())
        assert (log_prob.double() - expected).abs().max() < (1e-12 if dtype == torch.float64 else 0.1)


class TestNames:
    """Numbers that moved, that are missing, that are new. See test_portability for the law."""

    def test_an_unknown_number_stays_in_the_middle_and_counts_for_nothing(self, driving):
        head = ready(driving)
        head.initialize_to_environment(driving(["gas", "new", "steer"]))
        means = torch.randn(30, 3, requires_grad=True)
        actions, log_prob = head.act(means)
        assert actions[:, 1].tolist() == [2] * 30  # from -4 to 8
        assert (actions[:, [0, 2]] != MIDDLES[[1, 0]]).all()
        expected = oracle(head, means[:, [0, 2]], (1, 0))
        torch.testing.assert_close(log_prob, expected.log_prob(actions[:, [0, 2]]), atol=1e-5, rtol=1e-5)
        moved = actions + torch.tensor([0.0, 9, 0])
        scored, entropy = head.score(means, moved)
        assert torch.equal(scored, log_prob)
        torch.testing.assert_close(entropy, expected.entropy())
        scored.sum().backward()
        assert not means.grad[:, 1].any()
        assert means.grad[:, [0, 2]].all()
        assert head.name_report().masked == ("new",)

    def test_learned_it_is_sampled_with_a_deviation_of_its_own(self, driving):
        torch.manual_seed(0)
        head, more = ready(driving), driving([*ORDER, "new"])
        assert head.learn_names(more) == ("new",)
        head.initialize_to_environment(more)
        torch.nn.init.constant_(head.log_std[4:5], log(0.25))
        actions, _ = head.act(torch.zeros(5000, 5))
        assert actions[:, 4].std().item() == pytest.approx(6 * 0.25, rel=0.05)  # the half range is 6
        assert actions[:, 4].mean().item() == pytest.approx(2, abs=0.1)

    def test_names_beyond_the_table(self, driving):
        head = ready(driving)
        with pytest.raises(GlulamError, match="7 action names do not fit into a table of 6 rows"):
            head.learn_names(driving([*ORDER, "more", "and", "more still"]))
        assert head.rows.names == ORDER


class TestRefusals:
    @pytest.mark.parametrize(
        ("kind", "message"),
        [
            ({}, "has discrete ones; take action_distribution"),
            ({"choices": [2]}, "has multi-discrete ones; take multi_discrete_distribution"),
        ],
    )
    def test_another_kind_of_actions(self, world, kind, message):
        with pytest.raises(GlulamError, match="gaussian_distribution is for continuous actions, .*" + message):
            GaussianDistribution().initialize_to_environment(world("a b", **kind))

    def test_no_world(self):
        with pytest.raises(GlulamError, match="the actions are not known yet"):
            GaussianDistribution().act(torch.zeros(1, 2))

    def test_means_for_another_number_of_numbers(self, driving):
        with pytest.raises(GlulamError, match="3 numbers a row, but the environment has 4 actions"):
            ready(driving).act(torch.zeros(1, 3))


class TestConfig:
    def test_nine_in_ten_samples_lie_within_the_bounds_at_first(self, world):
        torch.manual_seed(0)
        layer = GaussianDistributionConfig().instantiate()
        layer.module.initialize_to_environment(world("gas", low=[0], high=[10]))
        td = layer(TensorDict({"logits": torch.zeros(20_000, 1)}, batch_size=[20_000]))
        within = ((td["actions"] > 0) & (td["actions"] < 10)).float().mean().item()
        assert 0.89 < within < 0.91
        assert td["actions"].std().item() == pytest.approx(5 * exp(-0.5), rel=0.03)
        assert "entropy" not in td

    def test_its_fields_reach_the_module(self):
        module = GaussianDistributionConfig(max_actions=3, init_log_std=0.25).build()
        assert module.log_std.tolist() == [0.25] * 3
        assert module.rows.limit == 3
