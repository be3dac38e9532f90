"""Pictures of a world. Oracle: Gymnasium's own environment, played beside it."""

import gymnasium
import numpy as np
import pytest
import torch

import glulam
from glulam import GlulamError
from glulam_gymnasium.episodes import episode_seed

SEED = 3


def own(name, action, steps):
    """Return the pictures of the first episode of copy 0, the first observation's and the end's included."""
    env = gymnasium.make(name, render_mode="rgb_array")
    env.reset(seed=episode_seed(SEED, 0, 0))
    pictures = [env.render()]
    for _ in range(steps):
        *_, terminated, truncated, _ = env.step(action)
        pictures.append(env.render())
        if terminated or truncated:
            break
    env.close()
    return pictures


@pytest.mark.parametrize("mode", ["same_step", "next_step", "disabled"])
def test_pictures_are_the_environments_own_and_the_end_is_kept(mode):
    expected = own("CartPole-v1", 1, 500)
    world = glulam.make_environment(f"gymnasium:CartPole-v1?autoreset={mode}", num_envs=2, seed=SEED, render=True)
    world.reset()
    shown = [world.render(0)]
    while True:
        td = world.step(torch.ones(2, dtype=torch.int64))
        if bool((td["dones"] | td["truncateds"]).any()):
            break
        shown.append(world.render(0))
    if bool((td["dones"] | td["truncateds"])[0]):
        shown.append(world.render(0, final=True))
    assert len(shown) > 5
    assert all(np.array_equal(mine, theirs) for mine, theirs in zip(shown, expected, strict=False))
    world.close()


def test_minigrids_pictures_are_its_own():
    import minigrid  # noqa: F401 - registers its ids

    name = "MiniGrid-DoorKey-5x5-v0"
    world = glulam.make_environment(f"minigrid:{name}", num_envs=1, seed=SEED, render=True)
    world.reset()
    shown = [world.render(0)]
    for _ in range(3):
        world.step(torch.zeros(1, dtype=torch.int64))
        shown.append(world.render(0))
    assert all(np.array_equal(mine, theirs) for mine, theirs in zip(shown, own(name, 0, 3), strict=True))
    world.close()


class Blind(gymnasium.Env):
    metadata = {"render_modes": ["human"]}  # noqa: RUF012 - as Gymnasium has it
    observation_space = gymnasium.spaces.Box(-1, 1, (2,))
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return np.zeros(2, np.float32), 0.0, False, False, {}


class MissingError(gymnasium.error.DependencyNotInstalled):
    def __str__(self):
        return "pygame is not installed"


class Grey(Blind):
    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 - as above

    def render(self):
        return np.zeros((4, 4), np.float64)


@pytest.fixture
def registered():
    for kind in (Blind, Grey):
        gymnasium.register(f"{kind.__name__}-v0", kind)
    yield
    for kind in (Blind, Grey):
        del gymnasium.registry[f"{kind.__name__}-v0"]


@pytest.mark.usefixtures("registered")
class TestMistakes:
    def test_an_environment_without_pictures_is_refused(self):
        with pytest.raises(GlulamError) as error:
            glulam.make_environment("gymnasium:Blind-v0", num_envs=1, seed=0, render=True)
        assert str(error.value) == (
            "gymnasium:Blind-v0 cannot be looked at: its render modes are human, without rgb_array; tell its authors"
        )

    def test_what_is_no_picture_is_refused(self):
        world = glulam.make_environment("gymnasium:Grey-v0", num_envs=1, seed=0, render=True)
        world.reset()
        with pytest.raises(GlulamError, match=r"gymnasium:Grey-v0: its picture is float64 \[4, 4\]; only one of"):
            world.render(0)

    def test_what_is_missing_is_told_in_the_environments_words(self, monkeypatch):
        def without(self):
            raise MissingError

        world = glulam.make_environment("gymnasium:Grey-v0", num_envs=1, seed=0, render=True)
        world.reset()
        monkeypatch.setattr(Grey, "render", without)
        with pytest.raises(GlulamError, match="gymnasium:Grey-v0 cannot draw: pygame is not installed"):
            world.render(0)

    def test_a_world_that_was_not_made_for_it_says_so(self):
        world = glulam.make_environment("gymnasium:CartPole-v1", num_envs=1, seed=0)
        with pytest.raises(GlulamError, match=r"call reset\(\) before render\(\)"):
            world.render(0)
        world.reset()
        with pytest.raises(GlulamError, match="not made to be looked at; make the environment with render=True"):
            world.render(0)
