"""Environments whose rewards and lengths are known, registered with Gymnasium for these tests."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.toy_text import TaxiEnv
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from gymnasium.wrappers import FlattenObservation


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


class Echo(gymnasium.Env):
    """Observes the action that it was given; the reward is the step times the sum of the action.

    It ends where every part of the action is the highest, and is asked for nothing that it does not allow.
    """

    def __init__(self, *, actions, dtype="int64", masked=False):
        self.action_space = actions
        self.observation_space = Box(-99, 99, actions.shape, np.dtype(dtype).type)
        self.masked = masked

    def _info(self):
        """Options are forbidden in turn: of each choice a different one at every step, never all."""
        allowed = [(np.arange(n) + self.count) % n > 0 for n in self.action_space.nvec.flat] if self.masked else []
        return {"action_mask": np.concatenate(allowed).astype(np.int8)} if self.masked else {}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = int(self.np_random.integers(9))
        return np.zeros(self.action_space.shape, self.observation_space.dtype), self._info()

    def step(self, action):
        assert np.asarray(action) in self.action_space
        assert action.dtype == self.action_space.dtype
        self.count += 1
        space = self.action_space
        top = space.start + space.nvec - 1 if isinstance(space, MultiDiscrete) else space.high
        return action, float(self.count * action.sum()), bool((action == top).all()), False, self._info()


DIALS = MultiDiscrete([[2, 3], [4, 2]], start=[[0, 5], [-1, 0]])
LEVERS = Box(np.array([[-1, -np.inf], [0, -2]]), np.array([[1, 3], [np.inf, np.inf]]), dtype=np.float64)
ECHOES = {
    "Dials-v0": {"actions": DIALS},
    "MaskedDials-v0": {"actions": DIALS, "masked": True},
    "Levers-v0": {"actions": LEVERS, "dtype": "float64"},
    "Throttle-v0": {"actions": Box(-1, 1, (), np.float32), "dtype": "float64"},
}


def flat_taxi():
    """Taxi, which tells the actions that are allowed, with its one number as 500 zeros and ones."""
    return FlattenObservation(TaxiEnv())


@pytest.fixture(autouse=True)
def _worlds():
    """Ladders that are cut off after 5 steps, and others, for one test at a time."""
    for name, settings in LADDERS.items():
        gymnasium.register(name, Ladder, max_episode_steps=5, kwargs=settings)
    for name, settings in ECHOES.items():
        gymnasium.register(name, Echo, max_episode_steps=7, kwargs=settings)
    gymnasium.register("FlatTaxi-v0", flat_taxi, max_episode_steps=20)
    yield
    for name in (*LADDERS, *ECHOES, "FlatTaxi-v0"):
        del gymnasium.registry[name]
