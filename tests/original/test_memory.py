"""Defects of the original in what a policy remembers; each test states one and would fail if we had it.

`B` rows, `T` steps.
"""

import attrs
import pytest
import torch

import glulam
from glulam import TensorSpec, memory, specs
from glulam.inputs import read_reset
from glulam.memory import Rows, Slots
from glulam.policy import Policy
from glulam_memory.sliding_attention import SlidingAttention
from tests.original.conftest import VILLAGE, small
from tests.plugins.memory.segments import KINDS, lively
from tests.plugins.policies.conftest import step_of
from tests.plugins.tokens.worlds import world

every_kind = pytest.mark.parametrize("kind", KINDS)


def drawn(seed, rows=4, end=0.0, **changes):
    td = step_of(VILLAGE, rows, torch.Generator().manual_seed(seed), end)
    return td.update(changes)


def play(policy, *, rows=6, steps=8, end=0.25):
    """Return the steps of a rollout, `[B, T]`, and the state in the middle of an episode before it."""
    with torch.no_grad():
        for seed in range(3):
            policy(drawn(seed, rows))
        state = policy.memory_state(torch.arange(rows))
        taken = [policy(drawn(10 + seed, rows, end)) for seed in range(steps)]
    return torch.stack(taken, 1), state


class TestRollout:
    """Oracle: each row played alone by a twin of the policy, or a policy that has just begun."""

    BATCHES = ([3, 1, 2], [1], [2, 3, 1, 0], [0, 2], [1, 3])

    @every_kind
    def test_a_state_belongs_to_its_id(self, kind):
        """States were kept under a batch's first id: other sizes crashed, other orders got a stranger's."""
        policy = small(kind)
        twins = [small(kind) for _ in range(4)]
        for number, ids in enumerate(self.BATCHES):
            td = drawn(number)[ids]
            with torch.no_grad():
                found = policy(td.clone())["values"]
                td["env_id"] = torch.zeros_like(td["env_id"])
                alone = torch.cat([twins[i](td[[row]])["values"] for row, i in enumerate(ids)])
            torch.testing.assert_close(found, alone, atol=1e-5, rtol=0)

    @every_kind
    def test_training_leaves_the_memory_of_the_rollout_alone(self, kind):
        """Training wrote its states over those of the rollout, which then went on from there."""
        policy = small(kind)
        segment, state = play(policy)
        before = policy.memory_state(torch.arange(6))
        scored = policy.evaluate(segment, state)
        (scored["act_log_prob"] + scored["values"]).sum().backward()
        policy.unroll(segment[:2, :3])
        after = policy.memory_state(torch.arange(6))
        assert all(torch.equal(after["memory", name], value) for name, value in before["memory"].items())
        assert any(value.any() for value in before["memory"].values())

    @every_kind
    def test_reset_memory_forgets(self, kind):
        """`reset_memory` did nothing."""
        policy = small(kind)
        with torch.no_grad():
            first, _, again = (policy(drawn(seed))["values"] for seed in (0, 1, 0))
            assert (again - first).abs().max() > 1e-3
            policy.reset_memory()
            assert torch.equal(policy(drawn(0))["values"], first)

    def test_no_key_or_value_of_an_episode_is_seen_in_the_next(self):
        """The cache of keys and values went on into the next episode."""
        played, begun = small("sliding_attention"), small("sliding_attention")
        ended = {"dones": torch.tensor([True, False, False, True]), "truncateds": torch.tensor([0, 1, 0, 0]).bool()}
        with torch.no_grad():
            for seed in range(4):
                played(drawn(seed))
            for seed in (7, 8):
                td = drawn(seed, **(ended if seed == 7 else {}))
                found, expected = played(td.clone())["values"], begun(td.clone())["values"]
                torch.testing.assert_close(found[[0, 1, 3]], expected[[0, 1, 3]], atol=1e-6, rtol=0)
                assert (found[2] - expected[2]).abs() > 1e-3  # whose episode goes on
        layer = lively("sliding_attention", 2)
        x = torch.randn(2, 5, 5)
        reset = torch.zeros(2, 5, dtype=torch.bool)
        reset[:, 2] = True
        y, after = layer.sequence(x, reset, layer.initial_state(2))
        alone, state = layer.sequence(x[:, 2:], reset[:, :3] & False, layer.initial_state(2))
        torch.testing.assert_close(y[:, 2:], alone)
        torch.testing.assert_close(after, state)


class TestTraining:
    """Oracle: what the rollout stored; sizes in bytes by hand."""

    @every_kind
    def test_the_ratio_is_one_where_episodes_end_inside_a_segment(self, kind):
        """Ends inside a segment were ignored: max |ratio - 1| was 0.14 to 0.16 with equal weights."""
        policy = small(kind)
        segment, state = play(policy)
        assert (segment["dones"] | segment["truncateds"])[:, 1:].any(1).all()
        ratio = (policy.evaluate(segment, state)["act_log_prob"] - segment["act_log_prob"]).exp()
        assert (ratio - 1).abs().max() <= 1e-5

    def test_a_state_is_stored_once_a_segment(self):
        """States were stored with every step, of which training read the first: 77 % of what was stored."""
        env = world([("ore", 2, 10.0)], count=200)
        policy = glulam.build("fast", env, losses=["ppo"])
        spec = policy.experience_spec()
        states = {key: tensor for key, tensor in spec.items() if isinstance(key, tuple)}
        assert {key[1]: (tensor.shape, tensor.per) for key, tensor in states.items()} == {
            "h": ((2, 128), "segment"),
            "c": ((2, 128), "segment"),
        }
        size = {"segments": 16, "horizon": 64}
        share = glulam.spec_bytes(states, **size) / glulam.spec_bytes(spec, **size)
        every_step = {key: attrs.evolve(tensor, per="step") for key, tensor in states.items()}
        theirs = glulam.spec_bytes(every_step, **size) / glulam.spec_bytes(spec | every_step, **size)
        assert share == pytest.approx(0.048, abs=0.001)  # 2,048 bytes a segment, 41,000 in all
        assert theirs == pytest.approx(0.76, abs=0.01)


def rows_by_place(patch):
    def place(self, env_id):
        find(self, torch.arange(len(env_id)))

    find = Rows.__init__
    patch.setattr(Rows, "__init__", place)


def training_writes(patch):
    def writes(self, td, state=None):
        result, after = unroll(self, td, state)
        for name, layer in self.memory_layers().items():
            layer.slots.write(Rows(torch.arange(len(after))), dict(after[name].items()))
        return result, after

    unroll = Policy.unroll
    patch.setattr(Policy, "unroll", writes)


def ends_inside_ignored(patch):
    def first(td):
        found = read_reset(td).clone()
        found[:, 1:] = False
        return found

    patch.setattr("glulam.policy.read_reset", lambda td: first(td) if td.batch_dims > 1 else read_reset(td))


def nothing_is_forgotten(patch):
    patch.setattr(Slots, "clear", lambda self: None)


def the_cache_goes_on_in_rollout(patch):
    patch.setattr(memory, "_forget", lambda state, reset: None)


def the_cache_goes_on_in_training(patch):
    run = SlidingAttention._run
    patch.setattr(SlidingAttention, "_run", lambda self, x, reset, state: run(self, x, reset & False, state))


def stored_every_step(patch):
    patch.setattr(specs, "TensorSpec", lambda shape, dtype, per="step": TensorSpec(shape, dtype))


ROLLOUT, TRAINING = TestRollout(), TestTraining()


@pytest.mark.parametrize(
    ("sabotage", "test", "kinds"),
    [
        (rows_by_place, ROLLOUT.test_a_state_belongs_to_its_id, KINDS),
        (training_writes, ROLLOUT.test_training_leaves_the_memory_of_the_rollout_alone, KINDS),
        (nothing_is_forgotten, ROLLOUT.test_reset_memory_forgets, KINDS),
        (the_cache_goes_on_in_rollout, ROLLOUT.test_no_key_or_value_of_an_episode_is_seen_in_the_next, [None]),
        (the_cache_goes_on_in_training, ROLLOUT.test_no_key_or_value_of_an_episode_is_seen_in_the_next, [None]),
        (ends_inside_ignored, TRAINING.test_the_ratio_is_one_where_episodes_end_inside_a_segment, KINDS),
        (stored_every_step, TRAINING.test_a_state_is_stored_once_a_segment, [None]),
    ],
)
def test_each_notices_its_defect(sabotage, test, kinds, monkeypatch):
    sabotage(monkeypatch)
    for kind in kinds:
        with pytest.raises(AssertionError):
            test(*([kind] if kind else []))
