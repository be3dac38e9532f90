"""MiniGrid's view as tokens."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX, STATE_TO_IDX
from minigrid.core.grid import Grid
from minigrid.core.world_object import Ball, Door, Wall

from glulam import EnvSpec, GlulamError
from glulam_gymnasium import minigrid_environments
from glulam_gymnasium.tokens import GridTokens, GridView, grid_spec

SEED = 3
EMPTY = (1, 0, 0)
USUAL = {"wall": "grey", "goal": "green", "lava": "red"}
TASKS = (
    "MiniGrid-MemoryS7-v0",
    "MiniGrid-DoorKey-5x5-v0",
    "MiniGrid-LavaCrossingS9N1-v0",
    "MiniGrid-BlockedUnlockPickup-v0",
    "BabyAI-GoToObj-v0",
)


def _image(tokens, spec: EnvSpec) -> tuple[np.ndarray, int]:
    """Read tokens back, one at a time: MiniGrid's image, unseen cells as empty ones, and the direction."""
    image = np.tile(np.array(EMPTY, np.uint8), (spec.view_width, spec.view_height, 1))
    colored, direction, ended = set(), None, False
    for location, feature, value in tokens.tolist():
        if location == 0xFF:
            ended = True
            assert (feature, value) == (0xFF, 0xFF)
            continue
        assert not ended, "padding comes last"
        name, meaning = spec.features[feature].name, spec.tags[value]
        if location == 0xFE:
            assert (name, direction) == ("direction", None)
            direction = ["facing_right", "facing_down", "facing_left", "facing_up"].index(meaning)
            continue
        cell = image[location & 15, location >> 4]
        if name == "object":
            cell[0] = OBJECT_TO_IDX[meaning]
        elif name == "color":
            cell[1] = COLOR_TO_IDX[meaning]
            colored.add(location)
        else:
            assert name == "state"
            cell[2] = STATE_TO_IDX[meaning]
    names = {code: name for name, code in OBJECT_TO_IDX.items()}
    for column, row in np.ndindex(image.shape[:2]):
        usual = USUAL.get(names[image[column, row, 0]])
        if usual and (row << 4 | column) not in colored:
            image[column, row, 1] = COLOR_TO_IDX[usual]
    return image, direction


def _seen(observation) -> tuple[np.ndarray, int]:
    image = observation["image"].copy()
    image[image[..., 0] == OBJECT_TO_IDX["unseen"]] = EMPTY
    return image, observation["direction"]


def _same(tokens, spec, observation) -> None:
    image, direction = _image(tokens, spec)
    expected, facing = _seen(observation)
    assert np.array_equal(image, expected)
    assert direction == facing


def _seed(copy: int, episode: int) -> int:
    return int(np.random.SeedSequence((SEED, copy, episode)).generate_state(1)[0]) & 0x7FFFFFFF


@pytest.mark.parametrize("task", TASKS)
class TestAgainstMiniGrid:
    """Oracle: MiniGrid itself, played at random; tokens are read back with plain loops over cells."""

    def test_every_step_of_some_episodes(self, task):
        world = minigrid_environments.make(task, num_envs=2, seed=SEED)
        td, spec = world.reset(), world.spec
        envs, episodes = [gymnasium.make(task) for _ in range(2)], [0, 0]
        for copy, env in enumerate(envs):
            _same(td["env_obs"][copy], spec, env.reset(seed=_seed(copy, 0))[0])
        rng = np.random.default_rng(0)
        for _ in range(350):
            actions = rng.choice(7, 2, p=[0.15, 0.15, 0.3, 0.15, 0.05, 0.15, 0.05])
            td = world.step(torch.from_numpy(actions))
            for copy, env in enumerate(envs):
                observation, reward, terminated, truncated, _ = env.step(int(actions[copy]))
                assert td["rewards"][copy] == np.float32(reward)
                assert td["dones"][copy] == terminated
                assert td["truncateds"][copy] == (truncated and not terminated)
                if terminated or truncated:
                    _same(td["final_obs"][copy], spec, observation)
                    episodes[copy] += 1
                    observation, _ = env.reset(seed=_seed(copy, episodes[copy]))
                _same(td["env_obs"][copy], spec, observation)
        assert sum(episodes) > 0 or task == "MiniGrid-BlockedUnlockPickup-v0"  # which lasts 576 steps

    @pytest.mark.parametrize("mode", ["next_step", "disabled"])
    def test_the_other_modes_show_the_last_observation_too(self, task, mode):
        world = minigrid_environments.make(f"{task}?autoreset={mode}", num_envs=1, seed=SEED)
        world.reset()
        env = gymnasium.make(task)
        env.reset(seed=_seed(0, 0))
        for t in range(700):
            action = (2, 0, 2, 5)[t % 4]
            td, (observation, _, *ended, _) = world.step(torch.tensor([action])), env.step(action)
            _same(td["env_obs"][0], world.spec, observation)
            if any(ended):
                break
        assert (td["dones"] | td["truncateds"]).all()
        td = world.restart(torch.tensor([True])) if mode == "disabled" else world.step(torch.tensor([2]))
        _same(td["env_obs"][0], world.spec, env.reset(seed=_seed(0, 1))[0])
        assert not (td["dones"] | td["truncateds"]).any()


class TestOneView:
    """Oracle: a view drawn by hand, and tokens written by hand."""

    def _tokens(self, grid: Grid, direction: int = 3) -> list[tuple[int, str, str]]:
        spec = minigrid_environments.spec("MiniGrid-Empty-5x5-v0")
        shown = np.append(grid.encode().ravel(), direction).astype(np.uint8)
        out = np.zeros((1, spec.num_tokens, 3), np.uint8)
        GridTokens(height=grid.height, width=grid.width)(shown[None], out)
        return [(place, spec.features[f].name, spec.tags[v]) for place, f, v in out[0].tolist() if place != 0xFF]

    def test_an_empty_view_has_a_direction_alone(self):
        assert self._tokens(Grid(7, 7)) == [(0xFE, "direction", "facing_up")]

    def test_what_a_cell_says(self):
        grid = Grid(7, 7)
        grid.set(3, 6, Ball("purple"))  # carried: the cell of the agent, in the middle of the last row
        grid.set(1, 2, Door("yellow", is_locked=True))  # column 1 from the left, row 2 from the top
        grid.set(0, 0, Wall())
        grid.set(6, 0, Wall("blue"))
        assert set(self._tokens(grid, 0)) == {
            (0xFE, "direction", "facing_right"),
            (0x00, "object", "wall"),
            (0x06, "object", "wall"),
            (0x06, "color", "blue"),
            (0x21, "object", "door"),
            (0x21, "color", "yellow"),
            (0x21, "state", "locked"),
            (0x63, "object", "ball"),
            (0x63, "color", "purple"),
        }

    def test_a_full_view_fills_the_row(self):
        grid = Grid(7, 7)
        for column, row in np.ndindex(7, 7):
            grid.set(column, row, Door("red", is_open=True))
        assert len(self._tokens(grid)) == 148


class TestSpec:
    """Oracle: tables written by hand."""

    def test_memory(self):
        spec = minigrid_environments.spec("MiniGrid-MemoryS7-v0")
        assert [(f.id, f.name, f.values) for f in spec.features] == [
            (0, "object", "tag"),
            (1, "color", "tag"),
            (2, "state", "tag"),
            (3, "direction", "tag"),
        ]
        assert spec.tags == (
            *("wall", "floor", "door", "key", "ball", "box", "goal", "lava", "agent"),
            *("red", "green", "blue", "purple", "yellow", "grey"),
            *("open", "closed", "locked"),
            *("facing_right", "facing_down", "facing_left", "facing_up"),
        )
        assert spec.actions.names == ("left", "right", "forward", "pickup", "drop", "toggle", "done")
        assert spec.optional_inputs == ("last_actions", "last_rewards")
        assert (spec.name, spec.num_agents, spec.box) == ("minigrid:MiniGrid-MemoryS7-v0", 1, None)
        assert (spec.view_height, spec.view_width, spec.num_tokens, spec.token_columns) == (7, 7, 148, 3)
        assert (spec.tokens.padding, spec.tokens.global_location) == (0xFF, 0xFE)
        assert EnvSpec.from_dict(spec.obs_meta()) == spec

    def test_fewer_actions(self):
        spec = minigrid_environments.spec("MiniGrid-Dynamic-Obstacles-5x5-v0")
        assert spec.actions.names == ("left", "right", "forward")

    @pytest.mark.parametrize("size", [3, 9, 15])
    def test_views_of_other_sizes(self, size):
        env = gymnasium.make("MiniGrid-FourRooms-v0", agent_view_size=size)
        spec = grid_spec(env, name="own", autoreset="same_step")
        assert (spec.view_height, spec.view_width, spec.num_tokens) == (size, size, 3 * size**2 + 1)
        tokens = GridTokens(height=size, width=size)
        observation, _ = env.reset(seed=0)
        out = np.zeros((1, spec.num_tokens, 3), np.uint8)
        tokens(GridView(env).observation(observation)[None], out)
        _same(out[0], spec, observation)

    def test_a_view_that_is_too_large(self):
        env = gymnasium.make("MiniGrid-FourRooms-v0", agent_view_size=17)
        with pytest.raises(GlulamError) as caught:
            grid_spec(env, name="own", autoreset="same_step")
        assert str(caught.value) == (
            "own: it shows 17 x 17 cells, and the location byte of a token has room for 15 x 15"
        )
