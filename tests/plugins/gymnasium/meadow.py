"""A PettingZoo game whose agents come and go, of which a test can tell what happens by a table."""

from __future__ import annotations

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary
from pettingzoo import ParallelEnv


class Meadow(ParallelEnv):
    """Each agent has a step at which it comes and one at which it goes, by the seed; some are there from the start.

    An agent observes [a number of the episode, the step, its own number]; its reward is the step times its number, and
    ten times what it did. Some terminate, some are cut off, some both.
    """

    metadata = {"name": "meadow_v0"}  # noqa: RUF012  # as PettingZoo has it

    def __init__(self, *, masked=None, count=4):
        self.possible_agents = [f"cow_{number}" for number in range(count)]
        self.masked = masked
        seen = Box(0, 99, (3,), np.int16)
        seen = Dict(observation=seen, action_mask=MultiBinary(3)) if masked == "observation" else seen
        self.seen, self.do = dict.fromkeys(self.possible_agents, seen), Discrete(3, start=2)
        self.array = np.zeros((count, 3), np.int16)

    def observation_space(self, agent):
        return self.seen[agent]

    def action_space(self, agent):
        return self.do

    def mask(self, number):
        """The three actions are forbidden in turn."""
        return (np.arange(3) != (self.step_ + number) % 3).astype(np.int8)

    def _observe(self, agents):
        """Return observations, each a row of one array that every step is written into."""
        found = {}
        for agent in agents:
            number = self.possible_agents.index(agent)
            self.array[number] = self.number, self.step_, number
            found[agent] = self.array[number]
            if self.masked == "observation":
                found[agent] = {"observation": found[agent], "action_mask": self.mask(number)}
        return found

    def _infos(self, agents):
        numbers = {agent: self.possible_agents.index(agent) for agent in agents}
        if self.masked != "info":
            return {agent: {} for agent in agents}
        return {agent: {"action_mask": self.mask(number)} for agent, number in numbers.items()}

    def reset(self, seed=None, options=None):
        rng = np.random.default_rng(seed)
        self.step_, self.number = 0, int(rng.integers(1, 99))
        count = len(self.possible_agents)
        self.comes = rng.permutation([0, 0, *rng.integers(0, 3, count - 2)])
        self.goes = self.comes + rng.integers(3, 6, count)
        self.ways = rng.integers(0, 3, count)
        self.agents = [agent for agent, comes in zip(self.possible_agents, self.comes, strict=True) if comes == 0]
        return self._observe(self.agents), self._infos(self.agents)

    def step(self, actions):
        assert set(actions) == set(self.agents)
        assert all(action in self.do for action in actions.values())
        self.step_ += 1
        numbers = {agent: self.possible_agents.index(agent) for agent in self.possible_agents}
        new = [agent for agent in self.possible_agents if self.comes[numbers[agent]] == self.step_]
        told = [*self.agents, *new]
        goes = {agent for agent in self.agents if self.goes[numbers[agent]] == self.step_}
        rewards = {agent: float(self.step_ * numbers[agent] + 10 * actions.get(agent, 0)) for agent in told}
        terminated = {agent: agent in goes and self.ways[numbers[agent]] != 1 for agent in told}
        truncated = {agent: agent in goes and self.ways[numbers[agent]] != 0 for agent in told}
        self.agents = [agent for agent in told if agent not in goes]
        return self._observe(told), rewards, terminated, truncated, self._infos(told)


def parallel_env():
    """What makes it, for `pettingzoo:tests.plugins.gymnasium.meadow`."""
    return Meadow()
