"""Several choices: one option of each is taken."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from tensordict import TensorDict
from torch.distributions import Categorical

from glulam import GlulamError
from glulam_heads.configs import MultiDiscreteDistributionConfig
from glulam_heads.multi_discrete import MultiDiscreteDistribution

LOWEST = torch.finfo(torch.float32).min
MOVES = ["move:n", "move:s", "move:e", "act:use", "act:drop"]


def options(sizes):
    return [f"{choice}:{option}" for choice, size in enumerate(sizes) for option in range(size)]


@st.composite
def batches(draw):
    """Draw sizes of choices, logits `[B, A]`, a mask with an allowed option of each (or None), allowed actions."""
    rows, sizes = draw(st.integers(1, 5)), draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    logits = torch.randn(rows, sum(sizes), generator=generator) * draw(st.sampled_from([0.1, 1.0, 30.0]))
    actions = torch.stack([torch.randint(size, (rows,), generator=generator) for size in sizes], -1)
    if draw(st.booleans()):
        return sizes, logits, None, actions
    masks = []
    for size, column in zip(sizes, actions.T, strict=True):
        masks.append(torch.rand(rows, size, generator=generator) < 0.5)
        masks[-1][torch.arange(rows), column] = True
    return sizes, logits, torch.cat(masks, -1), actions


def categoricals(sizes, logits, mask):
    """Return one distribution a choice."""
    if mask is not None:
        logits = logits.masked_fill(~mask, -torch.inf)
    return [Categorical(logits=part, validate_args=False) for part in logits.split(list(sizes), -1)]


@pytest.fixture
def moving(world):
    """Return a head in a world of moves and acts."""
    head = MultiDiscreteDistribution()
    head.initialize_to_environment(world(MOVES, choices=(3, 2)))
    return head


class TestScoring:
    """Oracle: one `torch.distributions.Categorical` a choice, summed by hand."""

    @settings(deadline=None, max_examples=60)
    @given(batch=batches())
    def test_log_probs_and_entropy(self, world, batch):
        sizes, logits, mask, actions = batch
        head = MultiDiscreteDistribution()
        head.initialize_to_environment(world(options(sizes), choices=sizes))
        log_prob, entropy, full = head.score(logits, mask, actions)
        oracles = categoricals(sizes, logits, mask)
        expected = sum(oracle.log_prob(column) for oracle, column in zip(oracles, actions.T, strict=True))
        torch.testing.assert_close(log_prob, expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(entropy, sum(oracle.entropy() for oracle in oracles), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(full.exp(), torch.cat([oracle.probs for oracle in oracles], -1), atol=1e-6, rtol=0)

    def test_what_was_acted_is_scored_alike(self, moving):
        logits = torch.randn(50, 5)
        actions, acted = moving.act(logits)
        assert torch.equal(moving.score(logits, None, actions)[0], acted)

    def test_two_masked_options_are_no_infinity(self, moving):
        logits = torch.randn(1, 5, requires_grad=True)
        mask = torch.tensor([[True, False, True, True, False]])
        log_prob, *_ = moving.score(logits, mask, torch.tensor([[1, 1]]))
        assert log_prob.item() == LOWEST
        log_prob.sum().backward()
        assert logits.grad.isfinite().all()


class TestSampling:
    """Oracle: the probabilities themselves, by a chi-squared test over pairs of options."""

    def test_frequencies_are_products_of_probabilities(self, moving):
        torch.manual_seed(0)
        probs = torch.tensor([0.6, 0.3, 0.1, 0.25, 0.75])
        actions, _ = moving.act(probs.log().expand(20_000, 5))
        expected = 20_000 * torch.outer(probs[:3], probs[3:]).flatten()
        found = (actions[:, 0] * 2 + actions[:, 1]).bincount(minlength=6)
        assert ((found - expected) ** 2 / expected).sum() < 20.5  # the 99.9 % point with five degrees of freedom

    def test_greedy_takes_the_likeliest_of_each(self, moving):
        logits = torch.randn(64, 5)
        moving.set_greedy(True)
        actions, log_prob = moving.act(logits)
        assert actions.dtype == torch.int64
        assert torch.equal(actions, torch.stack([logits[:, :3].argmax(-1), logits[:, 3:].argmax(-1)], -1))
        parts = [part.log_softmax(-1).amax(-1) for part in logits.split([3, 2], -1)]
        torch.testing.assert_close(log_prob, sum(parts))

    @settings(deadline=None, max_examples=30)
    @given(batch=batches())
    def test_a_masked_option_is_never_taken(self, world, batch):
        sizes, logits, mask, _ = batch
        mask = torch.ones_like(logits, dtype=torch.bool) if mask is None else mask
        head = MultiDiscreteDistribution()
        head.initialize_to_environment(world(options(sizes), choices=sizes))
        actions, log_prob = head.act(logits.repeat(40, 1), mask.repeat(40, 1))
        for part, column in zip(mask.repeat(40, 1).split(sizes, -1), actions.T, strict=True):
            assert part.gather(1, column[:, None]).all()
        assert log_prob.isfinite().all()

    def test_a_choice_that_allows_nothing_is_uniform_and_leaves_the_others_alone(self, moving):
        logits, mask = torch.randn(2, 5), torch.tensor([[False, False, False, True, True]] * 2)
        log_prob, entropy, full = moving.score(logits, mask, torch.tensor([[0, 0], [2, 1]]))
        other = Categorical(logits=logits[:, 3:])
        third = torch.tensor(3.0).log()
        torch.testing.assert_close(log_prob, other.log_prob(torch.tensor([0, 1])) - third)
        torch.testing.assert_close(entropy, other.entropy() + third)
        torch.testing.assert_close(full[:, :3], -third.expand(2, 3))


class TestNames:
    """Options and choices that moved, that are missing, that are new. See test_portability for the law."""

    def test_options_go_by_name_and_new_ones_are_masked(self, world, moving):
        here = ["act:drop", "act:throw", "act:use", "move:s", "move:n"]
        moving.initialize_to_environment(world(here, choices=(3, 2)))
        logits, actions = torch.randn(4, 5), torch.tensor([[0, 0], [2, 1], [0, 1], [1, 0]])
        log_prob, entropy, full = moving.score(logits, None, actions)
        acts, moves = Categorical(logits=logits[:, [0, 2]]), Categorical(logits=logits[:, 3:])
        torch.testing.assert_close(entropy, acts.entropy() + moves.entropy())
        torch.testing.assert_close(full[:, [0, 2, 3, 4]], torch.cat([acts.logits, moves.logits], -1))
        assert (full[:, 1] == LOWEST).all()
        taken = torch.tensor([0, 1, 0])
        expected = acts.log_prob(torch.tensor([[0, 1, 0, 0]]))[0, :3] + moves.log_prob(actions[:, 1])[:3]
        assert taken.shape == (3,)
        torch.testing.assert_close(log_prob[:3], expected)
        assert log_prob[3] == LOWEST
        acted, _ = moving.act(torch.zeros(200, 5))
        assert set(acted[:, 0].tolist()) == {0, 2}
        assert set(acted[:, 1].tolist()) == {0, 1}

    def test_an_unknown_choice_takes_its_first_allowed_option_and_counts_for_nothing(self, world, moving):
        here = ["say:hi", "say:bye", *MOVES[3:], *MOVES[:3]]
        moving.initialize_to_environment(world(here, choices=(2, 2, 3)))
        logits = torch.randn(60, 7)
        actions, log_prob = moving.act(logits)
        assert not actions[:, 0].any()
        parts = [Categorical(logits=logits[:, 2:4]), Categorical(logits=logits[:, 4:])]
        expected = sum(part.log_prob(column) for part, column in zip(parts, actions.T[1:], strict=True))
        torch.testing.assert_close(log_prob, expected)
        said, entropy, full = moving.score(logits, None, torch.cat([torch.ones(60, 1).long(), actions[:, 1:]], 1))
        assert torch.equal(said, log_prob)
        torch.testing.assert_close(entropy, sum(part.entropy() for part in parts))
        assert (full[:, :2] == LOWEST).all()
        mask = torch.ones(60, 7, dtype=torch.bool)
        mask[::2, 0] = False
        actions, _ = moving.act(logits, mask)
        assert actions[:, 0].tolist() == [1, 0] * 30

    def test_a_choice_that_is_gone(self, world, moving):
        moving.initialize_to_environment(world(MOVES[3:], choices=(2,)))
        logits = torch.randn(5, 2)
        oracle = Categorical(logits=logits)
        log_prob, entropy, _ = moving.score(logits, None, torch.ones(5, 1).long())
        torch.testing.assert_close(log_prob, oracle.log_prob(torch.ones(5)))
        torch.testing.assert_close(entropy, oracle.entropy())
        assert moving.name_report().absent == ("move:n", "move:s", "move:e")

    def test_learned_options_are_known(self, world, moving):
        more = world(["move:w", *MOVES], choices=(4, 2))
        assert moving.learn_names(more) == ("move:w",)
        moving.initialize_to_environment(more)
        logits = torch.randn(5, 6)
        _, _, full = moving.score(logits, None, torch.zeros(5, 2).long())
        torch.testing.assert_close(full[:, :4], logits[:, :4].log_softmax(-1))


class TestRefusals:
    @pytest.mark.parametrize(
        ("kind", "message"),
        [
            ({}, "has discrete ones; take action_distribution"),
            ({"low": [0, 0], "high": [1, 1]}, "has continuous ones; take gaussian_distribution"),
        ],
    )
    def test_another_kind_of_actions(self, world, kind, message):
        with pytest.raises(
            GlulamError, match="multi_discrete_distribution is for multi-discrete actions, .*" + message
        ):
            MultiDiscreteDistribution().initialize_to_environment(world("a b", **kind))

    def test_no_world(self):
        with pytest.raises(GlulamError, match="the actions are not known yet"):
            MultiDiscreteDistribution().act(torch.zeros(1, 2))

    def test_logits_for_another_number_of_options(self, moving):
        with pytest.raises(GlulamError, match="4 numbers a row, but the environment has 5 actions"):
            moving.act(torch.zeros(1, 4))


class TestAlone:
    """The layer on a TensorDict, without a policy around it."""

    def test_it_acts_within_the_mask(self, world):
        layer = MultiDiscreteDistributionConfig().instantiate()
        layer.module.initialize_to_environment(world(MOVES, choices=(3, 2)))
        mask = torch.tensor([[False, False, True, False, True]]).expand(50, 5)
        td = layer(TensorDict({"logits": torch.zeros(50, 5), "action_mask": mask}, batch_size=[50]))
        assert td["actions"].tolist() == [[2, 1]] * 50
        assert not td["act_log_prob"].any()
