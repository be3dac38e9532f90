"""Plain environments of Gymnasium's, stepped by hand: what the rows of a world have to show."""

from __future__ import annotations

import gymnasium
import numpy as np

SEED = 11


def seed(copy: int, episode: int) -> int:
    return int(np.random.SeedSequence((SEED, copy, episode)).generate_state(1)[0]) & 0x7FFFFFFF


class Row:
    """One row; `mask` is that of its latest observation."""

    def __init__(self, name: str, copy: int) -> None:
        self.env = gymnasium.make(name, disable_env_checker=True)
        self.copy, self.episode = copy, -1

    def start(self):
        self.episode += 1
        obs, info = self.env.reset(seed=seed(self.copy, self.episode))
        self.mask = info.get("action_mask")
        return obs.copy()

    def step(self, action):
        obs, reward, terminated, truncated, info = self.env.step(action)
        self.ended = terminated or truncated
        self.mask = info.get("action_mask")
        return obs.copy(), np.float32(reward), terminated, truncated and not terminated
