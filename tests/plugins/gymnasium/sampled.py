"""An environment of any spaces: it observes samples, echoes nothing, and both ways of ending occur."""

from __future__ import annotations

from copy import deepcopy

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple

IMAGE = Box(0, 255, (4, 5, 3), np.uint8)
OBSERVATIONS = {
    "image": IMAGE,
    "doubles": Box(-1, 1, (2, 2), np.float64),
    "bytes": Box(-9, 9, (3,), np.int8),
    "switch": Box(0, 1, (), np.bool_),
    "one of several": Discrete(4, start=-2),
    "several choices": MultiDiscrete([[2, 3], [4, 2]], start=[[0, 5], [-1, 0]]),
    "small choices": MultiDiscrete([2, 3], dtype=np.uint8),
    "switches": MultiBinary((2, 3)),
    "pair": Tuple([Discrete(3), Box(-1, 1, (2,))]),
    "a dict": Dict(speed=Box(-1, 1, (2,), np.float64), image=IMAGE, place=Discrete(3, start=1)),
    "a dict in order": Dict([("z", Discrete(2)), ("a", Box(0, 9, (2,), np.int16))]),
    "nested": Dict(a=Tuple([Dict(c=MultiBinary(3), b=Discrete(2)), Box(0, 1, ())]), b=MultiDiscrete([2, 2])),
    "a dict of one": Dict(only=Tuple([IMAGE])),
    "a dict of one choice": Dict(only=Discrete(3, start=2)),
}
ACTIONS = {
    "discrete": Discrete(3, start=4),
    "choices": MultiDiscrete([2, 3], start=[1, -1]),
    "switches": MultiBinary(3),
    "numbers": Box(-1, 1, (2,)),
}


class Sampled(gymnasium.Env):
    """Rewards are the episode's step times a random number; after 2 to 5 steps it terminates, is cut off, or both."""

    def __init__(self, observations="image", actions="discrete", *, masked=False):
        self.observation_space, self.action_space = deepcopy((OBSERVATIONS[observations], ACTIONS[actions]))
        if masked:
            self.observation_space = Dict(observation=self.observation_space, action_mask=MultiBinary(3))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(int(self.np_random.integers(2**31)))
        self.count, self.last, self.way = 0, int(self.np_random.integers(2, 6)), int(self.np_random.integers(3))
        return self.observation_space.sample(), {"note": np.arange(2)}

    def step(self, action):
        assert np.asarray(action) in self.action_space
        self.count += 1
        ends = self.count == self.last
        reward = float(self.count * self.np_random.normal() + np.sum(action))
        return self.observation_space.sample(), reward, ends and self.way != 1, ends and self.way != 0, {"note": [1]}
