"""The categorical distribution in worlds with other actions: another order, unknown ones, other kinds.

See test_portability for the law that holds for all three heads.
"""

from itertools import permutations

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch.distributions import Categorical

from glulam import GlulamError
from glulam_heads.distribution import ActionDistribution
from tests.plugins.heads.oracle import batches, categorical


class TestOrder:
    """Oracle: the same seed in the policy's own order."""

    @settings(deadline=None, max_examples=24)
    @given(order=st.sampled_from(list(permutations(range(4)))), masked=st.booleans(), seed=st.integers(0, 99))
    def test_the_same_seed_picks_the_same_named_actions(self, world, order, masked, seed):
        names, order = "abcd", list(order)
        head, logits = ActionDistribution(), torch.randn(30, 4, generator=torch.Generator().manual_seed(seed))
        mask = logits < 1 if masked else None
        taken = []
        for columns in (list(range(4)), order):
            head.initialize_to_environment(world([names[c] for c in columns]))
            torch.manual_seed(seed)
            actions, _ = head.act(logits[:, columns], None if mask is None else mask[:, columns])
            taken.append(torch.tensor(columns)[actions])
        assert torch.equal(*taken)

    def test_through_a_checkpoint(self, world):
        trained, fresh, logits = ActionDistribution(), ActionDistribution(), torch.randn(30, 3)
        trained.initialize_to_environment(world("a b c"))
        fresh.initialize_to_environment(world("c a b"))
        fresh.load_state_dict(trained.state_dict())
        torch.manual_seed(1)
        expected, _ = trained.act(logits)
        torch.manual_seed(1)
        actions, _ = fresh.act(logits[:, [2, 0, 1]])
        assert torch.equal(torch.tensor([2, 0, 1])[actions], expected)

    def test_a_missing_action_leaves_the_others_noise_alone(self, world):
        head, logits = ActionDistribution(), torch.randn(200, 3)
        head.initialize_to_environment(world("a b c"))
        torch.manual_seed(1)
        everything, _ = head.act(logits, torch.tensor([True, False, True]).expand(200, 3))
        head.initialize_to_environment(world("a c"))
        torch.manual_seed(1)
        fewer, _ = head.act(logits[:, [0, 2]])
        assert torch.equal(torch.tensor([0, 2])[fewer], everything)

    def test_control_without_names_the_order_matters(self):
        head, logits = ActionDistribution(), torch.zeros(200, 3)
        runs = []
        for columns in ([0, 1, 2], [2, 0, 1]):
            torch.manual_seed(1)
            runs.append(torch.tensor(columns)[head.act(logits[:, columns])[0]])
        assert not torch.equal(*runs)

    def test_logits_for_another_number_of_actions(self, world):
        head = ActionDistribution()
        head.initialize_to_environment(world("a b c"))
        for use in (head.act, lambda logits: head.score(logits, None, torch.zeros(1).long())):
            with pytest.raises(GlulamError, match="2 numbers a row, but the environment has 3 actions"):
                use(torch.zeros(1, 2))


class TestUnknown:
    """Actions of a world that the policy has never learned."""

    @settings(deadline=None, max_examples=40)
    @given(batch=batches(), extra=st.integers(1, 3))
    def test_they_are_masked(self, world, batch, extra):
        logits, mask, actions = batch
        count = logits.shape[1]
        head = ActionDistribution()
        head.initialize_to_environment(world([f"known{i}" for i in range(count)]))
        head.initialize_to_environment(world([f"new{i}" for i in range(extra)] + [f"known{i}" for i in range(count)]))
        more = torch.cat([torch.full((len(logits), extra), 100.0), logits], 1)
        allowed = None if mask is None else torch.cat([torch.ones(len(mask), extra, dtype=torch.bool), mask], 1)
        hidden = torch.ones_like(more, dtype=torch.bool) if allowed is None else allowed.clone()
        hidden[:, :extra] = False
        log_prob, entropy, full = head.score(more, allowed, actions + extra)
        oracle = categorical(more, hidden)
        torch.testing.assert_close(log_prob, oracle.log_prob(actions + extra), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(entropy, oracle.entropy(), atol=1e-5, rtol=1e-5)
        assert (full[:, :extra] == torch.finfo(torch.float32).min).all()
        unknown = head.score(more, allowed, torch.zeros_like(actions))[0]
        assert (unknown == torch.finfo(torch.float32).min).all()
        for greedy in (False, True):
            head.set_greedy(greedy)
            taken, _ = head.act(more.repeat(20, 1), None if allowed is None else allowed.repeat(20, 1))
            assert hidden.repeat(20, 1).gather(1, taken[:, None]).all()

    def test_no_gradient_reaches_their_logits(self, world):
        head, logits = ActionDistribution(), torch.randn(4, 3, requires_grad=True)
        head.initialize_to_environment(world("a b"))
        head.initialize_to_environment(world("a new b"))
        sum(result.sum() for result in head.score(logits, None, torch.tensor([0, 2, 1, 0]))).backward()
        assert not logits.grad[:, 1].any()
        assert logits.grad[:, [0, 2]].all()

    def test_a_row_that_allows_no_known_action_is_uniform_over_the_known(self, world):
        torch.manual_seed(0)
        head, mask = ActionDistribution(), torch.tensor([[True, False, False]]).expand(4000, 3)
        head.initialize_to_environment(world("a b"))
        head.initialize_to_environment(world("new a b"))
        actions, log_prob = head.act(torch.randn(4000, 3), mask)
        assert set(actions.tolist()) == {1, 2}
        assert abs((actions == 1).float().mean().item() - 0.5) < 0.04  # five standard deviations
        torch.testing.assert_close(log_prob.exp(), torch.full((4000,), 0.5))

    def test_learned_they_are_known(self, world):
        head, logits = ActionDistribution(), torch.randn(5, 3)
        head.initialize_to_environment(world("a b"))
        head.initialize_to_environment(world("new a b"))
        assert head.name_report().masked == ("new",)
        assert head.learn_names(world("new a b")) == ("new",)
        head.initialize_to_environment(world("new a b"))
        full = head.score(logits, None, torch.zeros(5).long())[2]
        torch.testing.assert_close(full, logits.log_softmax(-1))


class TestRefusals:
    @pytest.mark.parametrize(
        ("kind", "message"),
        [
            ({"choices": (1, 2)}, "has multi-discrete ones; take multi_discrete_distribution"),
            ({"low": [0, 0, 0], "high": [1, 1, 1]}, "has continuous ones; take gaussian_distribution"),
        ],
    )
    def test_another_kind_of_actions(self, world, kind, message):
        head, other = ActionDistribution(), world("a b c", **kind)
        for refuses in (head.initialize_to_environment, head.learn_names):
            with pytest.raises(GlulamError, match="action_distribution is for discrete actions, .* 'world' " + message):
                refuses(other)
        assert head.rows.names == []

    def test_a_world_of_strangers(self, world):
        head = ActionDistribution()
        head.initialize_to_environment(world("a b"))
        message = r"knows none of the environment's actions \(c, d\), but: a, b; let it learn them first"
        with pytest.raises(GlulamError, match=message):
            head.initialize_to_environment(world("c d"))
        assert head.rows.present == ("a", "b")

    def test_a_checkpoint_of_strangers(self, world):
        head, other = ActionDistribution(), ActionDistribution()
        head.initialize_to_environment(world("a b"))
        other.initialize_to_environment(world("c d"))
        head.load_state_dict(other.state_dict())
        with pytest.raises(GlulamError, match="knows none of the environment's actions"):
            head.act(torch.zeros(1, 2))

    def test_a_checkpoint_alone_needs_no_world(self, world):
        head, saved = ActionDistribution(), ActionDistribution()
        saved.initialize_to_environment(world("a b"))
        head.load_state_dict(saved.state_dict())
        logits = torch.randn(20, 3)
        actions, log_prob = head.act(logits)
        torch.testing.assert_close(log_prob, Categorical(logits=logits).log_prob(actions))
