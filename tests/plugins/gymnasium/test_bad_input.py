"""Environments that answer as they must not: older APIs, numbers that are none, shapes of other spaces.

Oracle: the text, as a user reads it.
"""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete

from glulam import GlulamError
from glulam_gymnasium import gymnasium_environments

OLDER = (
    "that is the API of Gym before 0.26; in Gymnasium's, reset(seed=...) returns (observation, info) and step five "
    "values: port it, or wrap it (shimmy.GymV21CompatibilityV0)"
)
FINITE = "observations and rewards are finite numbers: mend the environment, or replace such numbers in a wrapper"
NAME = "gymnasium:Own-v0"


class Line(gymnasium.Env):
    """Observes the number of the step in each of two places, and terminates at the fifth."""

    observation_space, action_space = Box(-9, 9, (2, 2)), Discrete(2)

    def reset(self, *, seed=None, options=None):
        self.count = 0
        return self.observe(), {}

    def observe(self):
        return np.full((2, 2), self.count, np.float32)

    def step(self, action):
        self.count += 1
        return self.observe(), self.reward(), self.count == 5, False, {}

    def reward(self):
        return 1.0


@pytest.fixture
def registered():
    """Return a function that registers what it is given, with a limit of steps or without."""

    def make(entry, **more):
        gymnasium.register("Own-v0", entry, **more)

    yield make
    gymnasium.registry.pop("Own-v0", None)


def message(*, num_envs=1, steps=0, mode="same_step"):
    """What `spec` says, or if it says nothing, a world in its first steps."""
    with pytest.raises(GlulamError) as caught:
        _play(f"Own-v0?autoreset={mode}", num_envs, steps)
    return str(caught.value).replace(f"?autoreset={mode}", "")


def _play(task, num_envs, steps):
    world = gymnasium_environments.make(task, num_envs=num_envs, seed=0)
    world.reset()
    for _ in range(steps):
        world.step(torch.zeros(num_envs, dtype=torch.int64))


class OldReset(Line):
    def reset(self):
        return super().reset()[0]


class OldSeededReset(Line):
    def reset(self, *, seed=None, options=None):
        return super().reset()[0]


class OldStep(Line):
    def step(self, action):
        observation, reward, terminated, _, info = super().step(action)
        return observation, reward, terminated, info


class TestOlderApis:
    @pytest.mark.parametrize("limit", [None, 9])
    def test_reset_without_a_seed(self, registered, limit):
        registered(OldReset, max_episode_steps=limit)
        assert message() == (
            f"{NAME}: its reset() takes no seed (OldReset.reset() got an unexpected keyword argument 'seed'); {OLDER}"
        )

    @pytest.mark.parametrize("limit", [None, 9])
    def test_reset_without_an_info(self, registered, limit):
        registered(OldSeededReset, max_episode_steps=limit)
        assert message() == f"{NAME}: its reset() returned one ndarray, not observation and info; {OLDER}"

    def test_four_values(self, registered):
        registered(OldStep)
        assert message() == f"{NAME}: its step() returned 4 values, not five; {OLDER}"

    def test_four_values_in_a_wrapper_that_unpacks_them(self, registered):
        registered(OldStep, max_episode_steps=9)
        assert message() == (
            f"{NAME}: its step() does not return five values (not enough values to unpack (expected 5, got 4)); {OLDER}"
        )

    def test_an_environment_of_gym_itself(self, registered):
        class Env:
            """As Gym's is: no class of Gymnasium's."""

            metadata = {"render_modes": []}  # noqa: RUF012  # as Gym has it

        registered(Env)
        assert message().startswith(
            f"{NAME} cannot be made: TypeError: The environment must inherit from the gymnasium.Env class, "
        )

    def test_another_error_stays_itself(self, registered):
        class Broken(Line):
            def step(self, action):
                msg = "no fuel"
                raise ValueError(msg)

        registered(Broken)
        with pytest.raises(ValueError, match="^no fuel$"):
            gymnasium_environments.spec("Own-v0")


def line(**methods):
    return type("OwnLine", (Line,), methods)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
class TestNumbersThatAreNone:
    """In each mode, whichever row it is."""

    @pytest.mark.parametrize("mode", ["same_step", "next_step", "disabled"])
    def test_an_observation(self, registered, bad, mode):
        def observe(env):
            found = Line.observe(env)
            found[1, 0] = bad if env.count == 3 else 0
            return found

        registered(line(observe=observe))
        assert (
            message(num_envs=2, steps=3, mode=mode) == f"{NAME}: the observation of row 0 is {bad} at [1, 0]; {FINITE}"
        )

    def test_the_first_observation(self, registered, bad):
        registered(line(observe=lambda env: np.full((2, 2), bad, np.float32)))
        assert message() == f"{NAME}: the observation of row 0 is {bad} at [0, 0]; {FINITE}"

    def test_a_final_observation(self, registered, bad):
        """Under `same_step` `env_obs` shows the next episode by then."""
        registered(line(observe=lambda env: np.full((2, 2), bad if env.count == 5 else 0, np.float32)))
        assert message(steps=5) == f"{NAME}: the final observation of row 0 is {bad} at [0, 0]; {FINITE}"

    def test_one_of_a_dict(self, registered, bad):
        """As a number of the row that is shown."""

        def observe(env):
            return {"b": np.array([0, bad if env.count == 2 else 0], np.float32), "a": 1}

        spaces = Dict(a=Discrete(3), b=Box(-9, 9, (2,)))
        registered(line(observe=observe, observation_space=spaces))
        assert message(num_envs=1, steps=2) == f"{NAME}: the observation of row 0 is {bad} at [4]; {FINITE}"

    def test_a_reward(self, registered, bad):
        registered(line(reward=lambda env: bad if env.count == 2 else 0.0))
        assert message(num_envs=2, steps=2) == f"{NAME}: the reward of row 0 is {bad}; {FINITE}"


class TestOtherSpaces:
    def test_another_shape(self, registered):
        registered(line(observation_space=Box(-9, 9, (4,))))
        assert message() == (
            f"{NAME}: its observation has shape [2, 2], and its space is Box(-9.0, 9.0, (4,), float32); tell its "
            "authors"
        )

    def test_another_shape_of_an_entry(self, registered):
        spaces = Dict(a=Discrete(3), b=Box(-9, 9, (2,)))
        registered(line(observation_space=spaces, observe=lambda env: {"a": 1, "b": np.zeros(3)}))
        assert message() == (
            f"{NAME}: its observation has shape [3] at ['b'], and its space is Box(-9.0, 9.0, (2,), float32); tell its "
            "authors"
        )

    @pytest.mark.parametrize("seen", [{"a": 1}, np.zeros(2)])
    def test_an_entry_that_is_missing(self, registered, seen):
        spaces = Dict(a=Discrete(3), b=Box(-9, 9, (2,)))
        registered(line(observation_space=spaces, observe=lambda env: seen))
        where, space = ("'b'", "Box(-9.0, 9.0, (2,), float32)") if isinstance(seen, dict) else ("'a'", "Discrete(3)")
        assert message() == f"{NAME}: its observation has nothing at [{where}], where its space has {space}"

    def test_a_choice_beyond_its_options(self, registered):
        registered(line(observation_space=Discrete(3), observe=lambda env: env.count))
        assert message(steps=3) == f"{NAME}: observations are [[3]], not all of them in Discrete(3); tell its authors"
