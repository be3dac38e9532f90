"""Gymnasium's own checks of what we wrap, and its PopGym through this plugin."""

from __future__ import annotations

import warnings
from functools import partial

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, MultiDiscrete, flatten
from gymnasium.utils.env_checker import check_env
from gymnasium.utils.env_match import check_environments_match

from glulam_gymnasium import gymnasium_environments
from glulam_gymnasium.episodes import Episodes
from glulam_gymnasium.tokens import GridView
from tests.plugins.gymnasium.oracle import SEED, seed
from tests.plugins.gymnasium.sampled import ACTIONS, OBSERVATIONS, Sampled

ENVIRONMENTS = {
    "CartPole-v1": partial(gymnasium.make, "CartPole-v1", disable_env_checker=True),
    "Pendulum-v1": partial(gymnasium.make, "Pendulum-v1", disable_env_checker=True),
    "FrozenLake-v1": partial(gymnasium.make, "FrozenLake-v1", disable_env_checker=True),
    "Taxi-v4": partial(gymnasium.make, "Taxi-v4", disable_env_checker=True),
    "MiniGrid": lambda: GridView(gymnasium.make("MiniGrid-DoorKey-5x5-v0", disable_env_checker=True)),
    "popgym": partial(gymnasium.make, "popgym:popgym-AutoencodeEasy-v0", disable_env_checker=True),
    **{f"sampled {name}": partial(Sampled, observations=name) for name in OBSERVATIONS},
    **{f"doing {name}": partial(Sampled, actions=name) for name in ACTIONS},
}


def checked(env):
    """Run Gymnasium's check, in which a warning is an error, but for what it says of every wrapper."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*is different from the unwrapped version.*")
        warnings.filterwarnings(
            "ignore", ".*no observation space low|.*no observation space high|.*-infinity|.*infinity"
        )
        warnings.filterwarnings("ignore", ".*Casting input x to numpy array.*")  # of a `Box` without dims
        warnings.filterwarnings("ignore", ".*we recommend using a symmetric and normalized space.*")
        check_env(env, skip_render_check=True, skip_close_check=True)


@pytest.mark.parametrize("name", ENVIRONMENTS)
class TestOurWrapper:
    """`Episodes` is the one Gymnasium environment that we make; all else is Gymnasium's own vector around it."""

    def test_it_passes_gymnasiums_check(self, name):
        checked(Episodes(ENVIRONMENTS[name], SEED, 0, None))

    def test_it_matches_what_it_wraps(self, name):
        one = ENVIRONMENTS[name]
        wrapped = Episodes(one, SEED, 0, None)
        check_environments_match(one(), wrapped, 40, seed=3, skip_render=True, info_comparison="skip")


POPGYM = (
    "popgym-RepeatPreviousEasy-v0",
    "popgym-AutoencodeEasy-v0",
    "popgym-CountRecallEasy-v0",
    "popgym-ConcentrationEasy-v0",
    "popgym-MineSweeperEasy-v0",
    "popgym-NoisyPositionOnlyPendulumEasy-v0",
    "popgym-VelocityOnlyCartpoleEasy-v0",
)


@pytest.mark.parametrize("name", POPGYM)
def test_popgym(name):
    """Oracle: PopGym's environments, stepped by hand; observations by Gymnasium's `flatten`."""
    world = gymnasium_environments.make(f"popgym:{name}", num_envs=1, seed=SEED)
    env = gymnasium.make(name, disable_env_checker=True)
    plain = isinstance(env.observation_space, Box)

    def shown(observation):
        return observation if plain else flatten(env.observation_space, observation).astype(np.float32)

    td, episode = world.reset(), 0
    assert np.array_equal(td["env_obs"][0], shown(env.reset(seed=seed(0, 0))[0]))
    rng, space = np.random.default_rng(0), env.action_space
    for _ in range(220):
        if isinstance(space, Box):
            given = rng.uniform(space.low, space.high).astype(np.float32)
        else:
            given = rng.integers(space.nvec if isinstance(space, MultiDiscrete) else space.n)
        td = world.step(torch.as_tensor(given)[None])
        observation, reward, terminated, truncated, _ = env.step(given)
        assert td["rewards"][0] == np.float32(reward)
        assert (td["dones"][0], td["truncateds"][0]) == (terminated, truncated and not terminated)
        if terminated or truncated:
            assert np.array_equal(td["final_obs"][0], shown(observation))
            episode += 1
            observation, _ = env.reset(seed=seed(0, episode))
        assert np.array_equal(td["env_obs"][0], shown(observation))
    assert episode > 0


def test_all_of_popgym_has_a_mapping():
    """Oracle: the ids that PopGym registers."""
    names = [name for name in gymnasium.registry if name.startswith("popgym-")]
    assert len(names) >= 42
    for name in names:
        spec = gymnasium_environments.spec(f"popgym:{name}")
        assert spec.box.dtype == "float32"
