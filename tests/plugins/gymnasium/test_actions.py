"""Actions of the other two kinds: several choices, and numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from glulam import GlulamError
from glulam_gymnasium import gymnasium_environments
from tests.plugins.gymnasium.oracle import SEED, Row

COPIES = 3


def _world(task: str, num_envs: int = COPIES):
    return gymnasium_environments.make(task, num_envs=num_envs, seed=SEED)


def _same(td, rows, actions) -> None:
    """Step each row's own environment and start its next episode where one has ended."""
    for copy, (row, action) in enumerate(zip(rows, actions, strict=True)):
        obs, reward, done, truncated = row.step(action)
        assert (td["rewards"][copy], td["dones"][copy], td["truncateds"][copy]) == (reward, done, truncated)
        assert np.array_equal(td["env_obs"][copy], row.start() if row.ended else obs)


class TestNumbers:
    """Oracle: environments of `gymnasium.make`, stepped by hand with actions that are clipped by hand."""

    @pytest.mark.parametrize(("task", "most"), [("Pendulum-v1", 2.0), ("MountainCarContinuous-v0", 1.0)])
    def test_every_step(self, task, most):
        world, rows = _world(task), [Row(task, copy) for copy in range(COPIES)]
        td = world.reset()
        for row, obs in zip(rows, td["env_obs"], strict=True):
            assert np.array_equal(obs, row.start())
        rng, clipped = np.random.default_rng(0), 0
        for _ in range(420):
            actions = rng.normal(0, most, (COPIES, 1)).astype(np.float32)
            clipped += (np.abs(actions) > most).sum()
            td = world.step(torch.from_numpy(actions))
            _same(td, rows, [np.array([min(max(action, -most), most)], np.float32) for action in actions[:, 0]])
        assert clipped > 300
        assert all(row.episode == (2 if task == "Pendulum-v1" else 0) for row in rows)

    def test_a_box_of_several_dims_in_doubles(self):
        """Oracle: by hand: from -1 to 1, to 3, from 0 on, from -2 on, and what is between them stays."""
        world = _world("Levers-v0", num_envs=2)
        world.reset()
        given = torch.tensor([[-5.0, -5.0, -5.0, -5.0], [0.1, 0.2, 70.0, 80.0]])
        before = given.clone()
        td = world.step(given)
        assert td["env_obs"].dtype == torch.float64
        assert td["env_obs"].tolist() == [
            [[-1.0, -5.0], [0.0, -2.0]],
            [[float(np.float32(0.1)), float(np.float32(0.2))], [70.0, 80.0]],
        ]
        assert torch.equal(given, before)
        assert torch.equal(td["last_actions"], before)
        td = world.step(given.double() / 3)
        assert td["env_obs"][1, 1].tolist() == [70.0 / 3, 80.0 / 3]
        assert td["last_actions"].dtype == torch.float32

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_a_box_without_dims(self, dtype):
        world = _world("Throttle-v0")
        world.reset()
        td = world.step(torch.tensor([[-7.0], [0.25], [7.0]], dtype=dtype))
        assert td["env_obs"][:2].tolist() == [-1.0, 0.25]
        assert td["final_obs"][2] == 1.0  # the highest number ends an episode

    @pytest.mark.parametrize(
        ("actions", "message"),
        [
            (
                torch.zeros(3),
                "actions are torch.float32 [3]; they must be torch.float32 [3, 1], a number of each name a row",
            ),
            (
                torch.zeros(3, 1, dtype=torch.int64),
                "actions are torch.int64 [3, 1]; they must be torch.float32 [3, 1], a number of each name a row",
            ),
            (torch.tensor([[0.0], [torch.nan], [0.0]]), "'action_0' is nan in row 1; actions are finite numbers"),
        ],
    )
    def test_wrong_ones_stop_nothing_else(self, actions, message):
        world, rows = _world("Pendulum-v1"), [Row("Pendulum-v1", copy) for copy in range(COPIES)]
        world.reset()
        for row in rows:
            row.start()
        with pytest.raises(GlulamError) as caught:
            world.step(actions)
        assert str(caught.value) == f"gymnasium:Pendulum-v1: {message}"
        _same(world.step(torch.zeros(3, 1)), rows, np.zeros((3, 1), np.float32))


class TestChoices:
    """Oracle: the environment's own numbers by hand: choices from 0, 5, -1 and 0, in two rows of two."""

    @pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
    def test_their_own_numbers(self, dtype):
        world = _world("Dials-v0", num_envs=2)
        world.reset()
        td = world.step(torch.tensor([[0, 0, 0, 0], [1, 2, 2, 1]], dtype=dtype))
        assert td["env_obs"].tolist() == [[[0, 5], [-1, 0]], [[1, 7], [1, 1]]]
        assert td["last_actions"].tolist() == [[0, 0, 0, 0], [1, 2, 2, 1]]

    def test_every_step(self):
        world, rows = _world("Dials-v0"), [Row("Dials-v0", copy) for copy in range(COPIES)]
        world.reset()
        for row in rows:
            row.start()
        rng, ends = np.random.default_rng(0), 0
        for _ in range(150):
            actions = rng.integers(0, [2, 3, 4, 2], (COPIES, 4))
            own = actions.reshape(COPIES, 2, 2) + np.array([[0, 5], [-1, 0]])
            td = world.step(torch.from_numpy(actions))
            _same(td, rows, own)
            ends += int(td["dones"].sum())
        assert ends > 0
        assert all(row.episode > 20 for row in rows)

    def test_wrong_ones_stop_nothing_else(self):
        world = _world("Dials-v0", num_envs=1)
        before = world.reset()["env_obs"].clone()
        with pytest.raises(GlulamError) as caught:
            world.step(torch.tensor([[0, 3, 0, 0]]))
        assert str(caught.value) == "gymnasium:Dials-v0: option 3 of choice 1 in row 0; its options go from 0 to 2"
        assert torch.equal(world._outputs["env_obs"], before)
