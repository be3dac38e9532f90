"""What the tasks pay, and that `tmaze` needs memory."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import torch

from glulam_mettagrid import environments

pytestmark = pytest.mark.skipif(find_spec("mettagrid") is None, reason="mettagrid has no wheel for this machine")

NOOP, NORTH, SOUTH, WEST, EAST = range(5)
SIDES = {"left": WEST, "right": EAST}


def _random_returns(task: str, num_envs: int) -> torch.Tensor:
    """One episode of each simulation with uniformly random actions; a return a row."""
    environment = environments.make(task, num_envs=num_envs, seed=7)
    td = environment.reset()
    generator = torch.Generator().manual_seed(7)
    returns = torch.zeros(td.shape)
    while not td["truncateds"].any():
        actions = torch.randint(0, environment.spec.num_actions, td.shape, generator=generator)
        td = environment.step(actions)
        returns += td["rewards"]
    environment.close()
    return returns


class TestRandomPlay:
    """Oracle: figures measured independently when the tasks were described, within their tolerance."""

    def test_forage(self):
        returns = _random_returns("forage", num_envs=300)  # 1,200 agent-episodes, standard error 0.03
        assert 0.70 <= returns.mean() <= 1.00

    def test_tmaze(self):
        returns = _random_returns("tmaze", num_envs=2000)
        assert 0.04 <= returns.mean() <= 0.14
        assert set(returns.tolist()) == {0.0, 1.0}


class TestForage:
    """Oracle: the rules by hand, on a map where one agent stands between a mine and an altar."""

    MAP = ("########", "#M@A####", "###@#@##", "###@####", "########")

    def _rewards(self, actions: list[int], task: str = "forage") -> list[float]:
        from mettagrid.config.mettagrid_config import AsciiMapBuilder
        from mettagrid.simulator import Simulation

        from glulam_mettagrid.tasks import build_task

        names = {"M": "mine", "A": "altar", "#": "wall", "@": "agent.agent"}
        config = build_task(task).config.model_copy(deep=True)
        config.game.map_builder = AsciiMapBuilder.Config(
            map_data=[list(row) for row in self.MAP], char_to_map_name=names
        )
        simulation = Simulation(config, seed=0)
        rewards = []
        for action in actions:
            simulation._c_sim.actions()[:] = [action, NOOP, NOOP, NOOP]
            simulation.step()
            rewards.append(round(float(simulation._c_sim.rewards()[0]), 6))
        return rewards

    def test_one_ore_at_a_time(self):
        assert self._rewards([WEST, WEST, WEST]) == [0.1, 0.0, 0.0]

    def test_an_altar_wants_ore(self):
        assert self._rewards([EAST, NOOP, NORTH]) == [0.0, 0.0, 0.0]

    def test_ore_becomes_a_heart_again_and_again(self):
        assert self._rewards([WEST, EAST, EAST, WEST, EAST]) == [0.1, 1.0, 0.0, 0.1, 1.0]

    def test_only_hearts_pay_where_that_is_the_task(self):
        assert self._rewards([WEST, EAST, EAST, WEST, EAST], "forage_hearts") == [0.0, 1.0, 0.0, 0.0, 1.0]

    def test_the_map(self):
        """Oracle: the counts in the task's description; the border has 44 cells."""
        from glulam_mettagrid.tasks import build_task

        grid = build_task("forage").map_for_seed(3).create().build_for_num_agents(4).grid
        counts = dict(zip(*np.unique(grid, return_counts=True), strict=True))
        assert grid.shape == (12, 12)
        assert counts == {"agent.agent": 4, "altar": 3, "empty": 81, "mine": 6, "wall": 44 + 6}


class _Maze:
    """One tmaze with a given lamp, by mettagrid's own simulator."""

    def __init__(self, lamp: str) -> None:
        from mettagrid.simulator import Simulation

        from glulam_mettagrid.tasks import build_task

        task = build_task("tmaze")
        config = task.config.model_copy(deep=True)
        # (an even seed is red, an odd one blue; `test_which_map_a_seed_gives` holds this to the maps)
        config.game.map_builder = task.map_for_seed({"red": 0, "blue": 1}[lamp])
        self.simulation = Simulation(config, seed=0)

    def look(self) -> list[list[int]]:
        tokens = self.simulation._c_sim.observations()[0]
        return tokens[tokens[:, 0] != 0xFF].tolist()

    def walk(self, actions: list[int]) -> float:
        """Take the actions and return what they earned in all."""
        total = 0.0
        for action in actions:
            self.simulation._c_sim.actions()[0] = action
            self.simulation.step()
            total += float(self.simulation._c_sim.rewards()[0])
        return total


TO_JUNCTION = [NORTH] * 3


class TestTmaze:
    """Oracle: the rules by hand, and two mazes compared that differ in the lamp alone."""

    @pytest.mark.parametrize(
        ("lamp", "side", "pay"),
        [("red", "left", 1), ("red", "right", 0), ("blue", "left", 0), ("blue", "right", 1)],
    )
    def test_the_lamp_says_which_altar_pays(self, lamp, side, pay):
        assert _Maze(lamp).walk([*TO_JUNCTION, SIDES[side], SIDES[side]]) == pay

    @pytest.mark.parametrize("lamp", ["red", "blue"])
    @pytest.mark.parametrize("first", ["left", "right"])
    def test_there_is_one_try(self, lamp, first):
        other = {"left": EAST, "right": WEST}[first]
        maze = _Maze(lamp)
        earned = maze.walk([*TO_JUNCTION, SIDES[first], SIDES[first]])
        assert maze.walk([other] * 4 + [SIDES[first]] * 5) == 0
        assert earned == float((lamp == "red") == (first == "left"))

    def test_which_map_a_seed_gives(self):
        for lamp in ("red", "blue"):
            objects = _Maze(lamp).simulation.grid_objects().values()
            assert [item["type_name"] for item in objects if "lamp" in item["type_name"]] == [f"lamp_{lamp}"]

    def test_the_lamp_is_seen_at_the_start_and_one_step_on(self):
        red, blue = _Maze("red"), _Maze("blue")
        assert red.look() != blue.look()
        red.walk([NORTH])
        blue.walk([NORTH])
        assert red.look() != blue.look()

    @pytest.mark.parametrize(
        "rest", [[], [NORTH], [NORTH, NOOP, EAST], [NORTH, WEST], [NORTH, WEST, WEST], [NORTH, EAST]]
    )
    def test_without_memory_the_mazes_look_the_same(self, rest):
        """From the second step on nothing but what the altar did tells them apart."""
        red, blue = _Maze("red"), _Maze("blue")
        paid = red.walk([NORTH, NORTH, *rest]) + blue.walk([NORTH, NORTH, *rest])
        assert (red.look() == blue.look()) == (paid == 0)

    def test_waiting_leaves_no_trace(self):
        """Else a policy without memory could tell the lamp to itself by being late."""
        prompt, late = _Maze("red"), _Maze("red")
        prompt.walk([NORTH, NORTH])
        late.walk([NOOP, SOUTH, NORTH, NORTH])
        assert prompt.look() == late.look()

    def test_half_of_the_episodes_each(self):
        from glulam_mettagrid.vector import episode_seed

        red = np.mean([episode_seed(3, env, episode) % 2 == 0 for env in range(20) for episode in range(50)])
        assert 0.45 < red < 0.55
