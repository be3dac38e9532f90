"""Copies of an environment as one world: seeds, memory, refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from glulam import GlulamError
from glulam_gymnasium import gymnasium_environments, minigrid_environments

SEED = 11
COPIES = 3
MODES = ("same_step", "next_step", "disabled")
FAMILIES = {"gymnasium": gymnasium_environments, "minigrid": minigrid_environments}


def _world(task: str, num_envs: int = COPIES, seed: int = SEED):
    return gymnasium_environments.make(task, num_envs=num_envs, seed=seed)


def _actions(number: int, t: int) -> torch.Tensor:
    return torch.tensor([np.random.default_rng((t, copy)).integers(number) for copy in range(COPIES)])


class TestSeeds:
    """Oracle: the same world made twice."""

    def _observations(self, family: str, task: str, *, num_envs: int = COPIES, seed: int = SEED) -> torch.Tensor:
        world = FAMILIES[family].make(task, num_envs=num_envs, seed=seed)
        seen = [world.reset()["env_obs"].clone()]
        seen += [world.step(_actions(2, t)[:num_envs])["env_obs"].clone() for t in range(60)]
        return torch.stack(seen)

    @pytest.mark.parametrize(
        ("family", "task"), [("gymnasium", "CartPole-v1"), ("minigrid", "MiniGrid-MultiRoom-N2-S4-v0")]
    )
    def test_one_seed_one_course_and_another_another(self, family, task):
        first = self._observations(family, task)
        assert torch.equal(first, self._observations(family, task))
        assert torch.equal(first[:, :1], self._observations(family, task, num_envs=1))
        assert torch.equal(first[0, 1:], FAMILIES[family].make(task, num_envs=2, seed=SEED, first=1).reset()["env_obs"])
        other = self._observations(family, task, seed=SEED + 1)
        assert all(not torch.equal(first[:, row], other[:, row]) for row in range(COPIES))
        assert all(not torch.equal(first[:, 0], first[:, row]) for row in range(1, COPIES))

    def test_an_episode_does_not_depend_on_those_before_it(self):
        idle, busy = _world("Ladder-v0"), _world("Ladder-v0")
        idle.reset()
        for _ in range(5):
            late = idle.step(torch.zeros(3, dtype=torch.int64))
        busy.reset()
        for _ in range(3):
            early = busy.step(torch.ones(3, dtype=torch.int64))
        assert late["truncateds"].all()
        assert early["dones"].all()
        assert torch.equal(late["env_obs"], early["env_obs"])


class TestMemory:
    """Oracle: object identity and addresses."""

    @pytest.mark.parametrize(
        ("family", "task", "row"),
        [
            ("gymnasium", "CartPole-v1", ((4,), torch.float32)),
            ("gymnasium", "Ladder-v0", ((2,), torch.int16)),
            ("minigrid", "MiniGrid-Empty-5x5-v0", ((148, 3), torch.uint8)),
        ],
    )
    def test_shapes_and_types(self, family, task, row):
        td = FAMILIES[family].make(task, num_envs=2, seed=0).reset()
        assert td.batch_size == (2,)
        assert {key: (tuple(x.shape), x.dtype) for key, x in td.items()} == {
            "env_obs": ((2, *row[0]), row[1]),
            "env_id": ((2,), torch.int64),
            "rewards": ((2,), torch.float32),
            "dones": ((2,), torch.bool),
            "truncateds": ((2,), torch.bool),
            "final_obs": ((2, *row[0]), row[1]),
            "last_actions": ((2,), torch.int64),
            "last_rewards": ((2,), torch.float32),
        }
        assert td["env_id"].tolist() == [0, 1]

    @pytest.mark.parametrize("mode", MODES)
    def test_tensors_are_reused_and_the_dict_is_new(self, mode):
        world = _world(f"Ladder-v0?autoreset={mode}")
        first = world.reset()
        kept = dict(first.items())
        assert (kept["final_obs"] is kept["env_obs"]) == (mode != "same_step")
        first["actions"] = torch.zeros(3, dtype=torch.int64)
        for t in range(20):
            td = world.step(_actions(2, t))
            if mode == "disabled":
                td = world.restart(td["dones"] | td["truncateds"])
            assert td is not first
            assert set(td.keys()) == set(kept)
            assert all(td[key] is tensor for key, tensor in kept.items())

    def test_gymnasium_gathers_observations_in_the_tensor_itself(self):
        world = _world("CartPole-v1")
        td = world.reset()
        assert td["env_obs"].data_ptr() == world._vector._observations.ctypes.data
        world.step(torch.zeros(3, dtype=torch.int64))
        assert td["env_obs"].data_ptr() == world._vector._observations.ctypes.data


class TestActions:
    """Oracle: the text, and that nothing moved."""

    @pytest.mark.parametrize(
        ("actions", "message"),
        [
            (torch.tensor([0, 2, 0]), "action 2 in row 1; actions go from 0 to 1"),
            (torch.tensor([0, 0, -1]), "action -1 in row 2; actions go from 0 to 1"),
            (torch.zeros(2, dtype=torch.int64), "actions are torch.int64 [2]; they must be torch.int64 [3], one a row"),
            (torch.zeros(3, 1), "actions are torch.float32 [3, 1]; they must be torch.int64 [3], one a row"),
        ],
    )
    def test_a_wrong_action_stops_nothing_else(self, actions, message):
        world = _world("LadderFrom5-v0")
        before = world.reset()["env_obs"].clone()
        with pytest.raises(GlulamError) as caught:
            world.step(actions)
        assert str(caught.value) == f"gymnasium:LadderFrom5-v0: {message}"
        td = world.step(torch.tensor([1, 1, 0], dtype=torch.int32))
        assert (td["env_obs"] - before)[:, 1].tolist() == [1, 1, 0]


class TestLife:
    """Oracle: the text, as a user reads it."""

    def test_before_reset(self):
        world = _world("Ladder-v0?autoreset=disabled")
        with pytest.raises(GlulamError, match=r"^gymnasium:Ladder-v0.*: call reset\(\) before step\(\)$"):
            world.step(torch.zeros(3, dtype=torch.int64))
        with pytest.raises(GlulamError, match=r"^gymnasium:Ladder-v0.*: call reset\(\) before restart\(\)$"):
            world.restart(torch.ones(3, dtype=torch.bool))

    def test_closed(self):
        world = _world("Ladder-v0")
        world.reset()
        closed = []
        world._vector.envs[0].close = lambda: closed.append(0)
        world.close()
        world.close()
        assert closed == [0]
        for call in (world.reset, lambda: world.step(torch.zeros(3, dtype=torch.int64))):
            with pytest.raises(GlulamError, match=r"^gymnasium:Ladder-v0: this environment is closed; make another$"):
                call()

    def test_arguments_out_of_range(self):
        with pytest.raises(GlulamError, match=r"^gymnasium:Ladder-v0: num_envs is 0; it must be at least 1$"):
            _world("Ladder-v0", num_envs=0)
        with pytest.raises(GlulamError, match=r"^gymnasium:Ladder-v0: seed is -1; it must not be negative$"):
            _world("Ladder-v0", seed=-1)
        with pytest.raises(GlulamError, match=r"^gymnasium:Ladder-v0: first is -1; it must not be negative$"):
            gymnasium_environments.make("Ladder-v0", num_envs=1, seed=0, first=-1)
