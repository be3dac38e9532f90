"""Environments whose rewards and lengths are known, registered with Gymnasium for these tests."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete


class Ladder(gymnasium.Env):
    """Observes [a number of the episode, rung]; action 1 climbs, and the reward is the rung.

    The top terminates. It writes every observation into one array, as environments of strangers do.
    """

    def __init__(self, *, rungs=3, first_action=0, dtype="int16", random=True):
        self.rungs, self.first_action, self.random = rungs, first_action, random
        self.observation_space = Box(0, 99, (2,), dtype)
        self.action_space = Discrete(2, start=first_action)
        self._obs = np.zeros(2, dtype)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._obs[:] = (self.np_random.integers(1, 99) if self.random else 7, 0)
        return self._obs, {"note": "infos are not shown"}

    def step(self, action):
        assert action in self.action_space
        self._obs[1] += int(action - self.first_action)
        return self._obs, float(self._obs[1]), bool(self._obs[1] >= self.rungs), False, {"note": [1]}


LADDERS = {
    "Ladder-v0": {},
    "LadderFrom5-v0": {"first_action": 5},
    "LadderPlain-v0": {"random": False},
    "LadderHalf-v0": {"dtype": "float16"},
}


@pytest.fixture(autouse=True)
def _ladders():
    """Ladders that are cut off after 5 steps, for one test at a time."""
    for name, settings in LADDERS.items():
        gymnasium.register(name, Ladder, max_episode_steps=5, kwargs=settings)
    yield
    for name in LADDERS:
        del gymnasium.registry[name]
