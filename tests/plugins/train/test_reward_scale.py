"""Oracle: all discounted sums of past rewards in one list. `B` rows, `H` steps."""

import numpy as np
import torch

from glulam_train.reward_scale import RewardScale

B, H, GAMMA = 3, 40, 0.9
ALL = torch.ones(B, H, dtype=torch.bool)


def sums(rewards, ended):
    """Return the discounted sum of rewards up to each step of its episode, by a loop over rows."""
    found = []
    for row in range(B):
        total = 0.0
        for t in range(rewards.shape[1]):
            total = GAMMA * total + rewards[row, t]
            found.append(total)
            total = 0.0 if ended[row, t] else total
    return np.array(found)


def rollout(seed=0):
    generator = np.random.default_rng(seed)
    return generator.normal(5, 3, (B, H)), generator.random((B, H)) < 0.1


def test_rewards_are_divided_by_the_spread_of_the_sums_whatever_the_parts():
    rewards, ended = rollout()
    scale = RewardScale(B, GAMMA)
    for part in np.split(np.arange(H), [1, 3, 17]):
        scaled = scale.scale(torch.from_numpy(rewards[:, part]), torch.from_numpy(ended[:, part]), ALL[:, part])
    expected = sums(rewards, ended).std()
    np.testing.assert_allclose(scale.spread, expected)
    np.testing.assert_allclose(scaled, rewards[:, part] / expected)


def test_an_end_that_is_overlooked_shows():
    rewards, ended = rollout()
    scale = RewardScale(B, GAMMA)
    scale.scale(torch.from_numpy(rewards), torch.zeros(B, H, dtype=torch.bool), ALL)
    assert abs(scale.spread - sums(rewards, ended).std()) > 1


def test_a_resumed_run_goes_on_with_its_statistics():
    rewards, ended = (torch.from_numpy(part) for part in rollout())
    scale, twin = RewardScale(B, GAMMA), RewardScale(B, GAMMA)
    scale.scale(rewards, ended, ALL)
    scale.forget_unfinished()
    twin.load_state_dict(scale.state_dict())
    more = torch.from_numpy(rollout(1)[0])
    assert torch.equal(scale.scale(more, ended, ALL), twin.scale(more, ended, ALL))


def test_ignored_actions_earn_nothing_that_counts():
    """Oracle: the sums of the steps that count."""
    rewards, ended = rollout()
    counts = np.ones((B, H), dtype=bool)
    counts[:, 1:] = ~ended[:, :-1]  # the step after an end only starts the next episode
    rewards[~counts], ended[~counts] = 0, False
    scale = RewardScale(B, GAMMA)
    scale.scale(*(torch.from_numpy(part) for part in (rewards, ended, counts)))
    np.testing.assert_allclose(scale.spread, sums(rewards, ended)[counts.flatten()].std())


def test_returns_that_are_all_equal_are_left_alone():
    scale = RewardScale(B, 0.0)
    ones = torch.full((B, H), 5.0)
    assert torch.equal(scale.scale(ones, ~ALL, ALL), ones)
