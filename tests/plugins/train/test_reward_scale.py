"""Oracle: all discounted sums of past rewards in one list. `B` rows, `H` steps."""

import numpy as np
import torch

from glulam_train.reward_scale import RewardScale

B, H, GAMMA = 3, 40, 0.9


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
        scaled = scale.scale(torch.from_numpy(rewards[:, part]), torch.from_numpy(ended[:, part]))
    expected = sums(rewards, ended).std()
    np.testing.assert_allclose(scale.spread, expected)
    np.testing.assert_allclose(scaled, rewards[:, part] / expected)


def test_an_end_that_is_overlooked_shows():
    rewards, ended = rollout()
    scale = RewardScale(B, GAMMA)
    scale.scale(torch.from_numpy(rewards), torch.zeros(B, H, dtype=torch.bool))
    assert abs(scale.spread - sums(rewards, ended).std()) > 1


def test_a_resumed_run_goes_on_with_its_statistics():
    rewards, ended = (torch.from_numpy(part) for part in rollout())
    scale, twin = RewardScale(B, GAMMA), RewardScale(B, GAMMA)
    scale.scale(rewards, ended)
    scale.forget_unfinished()
    twin.load_state_dict(scale.state_dict())
    more = torch.from_numpy(rollout(1)[0])
    assert torch.equal(scale.scale(more, ended), twin.scale(more, ended))
