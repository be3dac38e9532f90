"""GAE against TorchRL's, and against sums over whole episodes written from the definition."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torchrl.objectives.value.functional import generalized_advantage_estimate

from glulam_train.advantages import gae

GAMMA, LAMBDA = 0.9, 0.8


@st.composite
def segments(draw):
    """Rewards, values and flags of some segments; episodes end anywhere, also twice in a row, also both ways."""
    shape = (draw(st.integers(1, 4)), draw(st.integers(1, 9)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**20)))
    share = draw(st.sampled_from([0.0, 0.2, 0.6]))
    return {
        "reward_tp1": torch.randn(shape, generator=generator, dtype=torch.float64),
        "value_t": torch.randn(shape, generator=generator, dtype=torch.float64),
        "value_tp1": torch.randn(shape, generator=generator, dtype=torch.float64),
        "done_tp1": torch.rand(shape, generator=generator) < share,
        "truncated_tp1": torch.rand(shape, generator=generator) < share,
    }


def by_definition(reward_tp1, value_t, value_tp1, done_tp1, truncated_tp1):
    """The sum over l of (gamma lambda)^l delta_(t+l), l running to the end of t's own episode."""
    advantages = torch.zeros_like(value_t)
    rows, steps = value_t.shape
    for row in range(rows):
        for t in range(steps):
            for k in range(t, steps):
                after = 0.0 if done_tp1[row, k] else float(value_tp1[row, k])
                delta = float(reward_tp1[row, k]) + GAMMA * after - float(value_t[row, k])
                advantages[row, t] += (GAMMA * LAMBDA) ** (k - t) * delta
                if done_tp1[row, k] or truncated_tp1[row, k]:
                    break
    return advantages


class TestValues:
    @given(segments())
    @settings(deadline=None, max_examples=60)
    def test_they_equal_torchrls(self, segment):
        advantages, returns = gae(**segment, gamma=GAMMA, gae_lambda=LAMBDA)
        theirs, targets = generalized_advantage_estimate(
            GAMMA,
            LAMBDA,
            segment["value_t"].unsqueeze(-1),
            segment["value_tp1"].unsqueeze(-1),
            segment["reward_tp1"].unsqueeze(-1),
            done=(segment["done_tp1"] | segment["truncated_tp1"]).unsqueeze(-1),
            terminated=segment["done_tp1"].unsqueeze(-1),
        )
        torch.testing.assert_close(advantages, theirs.squeeze(-1), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(returns, targets.squeeze(-1), rtol=1e-5, atol=1e-5)

    @given(segments())
    @settings(deadline=None, max_examples=60)
    def test_they_equal_the_definition(self, segment):
        advantages, returns = gae(**segment, gamma=GAMMA, gae_lambda=LAMBDA)
        torch.testing.assert_close(advantages, by_definition(**segment))
        torch.testing.assert_close(returns, advantages + segment["value_t"])

    @given(segments(), st.data())
    @settings(deadline=None, max_examples=60)
    def test_nothing_leaks_back_over_the_end_of_an_episode(self, segment, data):
        row = data.draw(st.integers(0, segment["value_t"].shape[0] - 1))
        t = data.draw(st.integers(0, segment["value_t"].shape[1] - 1))
        flag = data.draw(st.sampled_from(["done_tp1", "truncated_tp1"]))
        segment[flag][row, t] = True
        before, _ = gae(**segment, gamma=GAMMA, gae_lambda=LAMBDA)
        for name in ("reward_tp1", "value_t", "value_tp1"):
            segment[name][row, t + 1 :] = 1e6
        if segment["done_tp1"][row, t]:
            segment["value_tp1"][row, t] = float("nan")  # whatever stands there, nothing follows a termination
        after, _ = gae(**segment, gamma=GAMMA, gae_lambda=LAMBDA)
        assert torch.equal(after[row, : t + 1], before[row, : t + 1])

    def test_by_hand(self):
        """Three steps, cut off after the second."""
        advantages, _ = gae(
            reward_tp1=torch.tensor([[1.0, 2.0, 4.0]]),
            value_t=torch.tensor([[0.0, 1.0, 2.0]]),
            value_tp1=torch.tensor([[1.0, 10.0, 3.0]]),
            done_tp1=torch.tensor([[False, False, False]]),
            truncated_tp1=torch.tensor([[False, True, False]]),
            gamma=0.5,
            gae_lambda=0.5,
        )
        # delta: 1 + .5 - 0 = 1.5; 2 + 5 - 1 = 6; 4 + 1.5 - 2 = 3.5.  advantage 0: 1.5 + .25 x 6 = 3
        torch.testing.assert_close(advantages, torch.tensor([[3.0, 6.0, 3.5]]))


SABOTAGE = {
    "a termination is bootstrapped": lambda s: s | {"done_tp1": s["done_tp1"] & False, "truncated_tp1": ended(s)},
    "a truncation is not bootstrapped": lambda s: s | {"done_tp1": ended(s)},
    "episodes run on": lambda s: s | {"truncated_tp1": s["truncated_tp1"] & False},
    "the reward is one step late": lambda s: s | {"reward_tp1": s["reward_tp1"].roll(1, 1)},
    "the flags are one step early": lambda s: s | {"truncated_tp1": s["truncated_tp1"].roll(-1, 1)},
}


def ended(segment):
    return segment["done_tp1"] | segment["truncated_tp1"]


@pytest.mark.parametrize("change", SABOTAGE.values(), ids=SABOTAGE)
def test_the_definition_tells_each_mistake_from_the_truth(change):
    """A control: an oracle that a wrong estimate also satisfies would prove nothing."""
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randn(3, 4, 12, generator=generator, dtype=torch.float64)
    flags = torch.rand(2, 4, 12, generator=generator) < 0.2
    names = ("reward_tp1", "value_t", "value_tp1", "done_tp1", "truncated_tp1")
    segment = dict(zip(names, [*numbers, *flags], strict=True))
    wrong, _ = gae(**change(segment), gamma=GAMMA, gae_lambda=LAMBDA)
    assert (wrong - by_definition(**segment)).abs().max() > 0.1


def test_shapes_that_differ_are_refused():
    flat = torch.zeros(2, 3)
    arguments = dict.fromkeys(("reward_tp1", "value_t", "value_tp1", "done_tp1"), flat)
    with pytest.raises(ValueError, match=r"one shape \[B, T\], got \[\(2, 3\), \(2, 4\)\]"):
        gae(**arguments, truncated_tp1=torch.zeros(2, 4), gamma=1.0, gae_lambda=1.0)
