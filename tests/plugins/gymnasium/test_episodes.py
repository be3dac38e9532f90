"""What an environment offers beside its observations: masks, the last actions and their rewards."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete

from glulam import GlulamError
from glulam_gymnasium import gymnasium_environments, minigrid_environments
from tests.plugins.gymnasium.oracle import SEED, Row

COPIES = 3
MODES = ("same_step", "next_step", "disabled")
TASKS = ("FlatTaxi-v0", "MaskedDials-v0", "Ladder-v0", "Pendulum-v1")
STARTS = {"MaskedDials-v0": np.array([[0, 5], [-1, 0]])}


def _world(task: str, num_envs: int = COPIES):
    return gymnasium_environments.make(task, num_envs=num_envs, seed=SEED)


def _choose(spec, td, rng):
    """Choose what the masks allow, for each row."""
    if spec.actions.kind == "continuous":
        return torch.from_numpy(rng.normal(0, 3, td.shape + spec.actions.shape).astype(np.float32))
    sizes = spec.actions.choices or (spec.num_actions,)
    mask = td.get("action_mask", torch.ones(len(td), sum(sizes), dtype=torch.bool))
    chosen = [[rng.choice(part.nonzero()[:, 0]) for part in row.split(sizes)] for row in mask]
    return torch.tensor(np.array(chosen)).reshape(-1, *spec.actions.shape)


def _own(name: str, action: torch.Tensor):
    """Return an action as the plain environment takes it."""
    if name == "Pendulum-v1":
        return action.clamp(-2, 2).numpy()
    return action.reshape(2, 2).numpy() + STARTS[name] if name in STARTS else int(action)


@pytest.mark.parametrize("name", TASKS)
class TestAgainstPlainEnvironments:
    """Oracle: each row's episodes in an environment of its own, stepped by hand; what follows a reset is zero."""

    def _same(self, td, copy: int, row: Row, last=None, reward: float = 0.0) -> None:
        last = torch.zeros_like(td["last_actions"][copy]) if last is None else last
        assert torch.equal(td["last_actions"][copy], last)
        assert td["last_rewards"][copy] == reward
        assert ("action_mask" in td) == (row.mask is not None)
        if row.mask is not None:
            assert td["action_mask"][copy].tolist() == [bool(allowed) for allowed in row.mask]

    def _play(self, name: str, mode: str, steps: int):
        """Yield what the world showed after each step, with the rows and the actions behind it."""
        world, rng = _world(f"{name}?autoreset={mode}"), np.random.default_rng(0)
        rows = [Row(name, copy) for copy in range(COPIES)]
        td = world.reset()
        for copy, row in enumerate(rows):
            row.start()
            self._same(td, copy, row)
        for _ in range(steps):
            actions = _choose(world.spec, td, rng)
            given = actions.clone()
            td = world.step(actions)
            actions.fill_(0)  # nothing of the caller's is kept
            yield world, td, rows, given
        assert min(row.episode for row in rows) >= 2
        td = world.reset()
        for copy, row in enumerate(rows):
            row.start()
            self._same(td, copy, row)

    def _steps(self, name: str) -> int:
        return 420 if name == "Pendulum-v1" else 90

    def test_same_step(self, name):
        for _, td, rows, actions in self._play(name, "same_step", self._steps(name)):
            for copy, row in enumerate(rows):
                _, reward, *_ = row.step(_own(name, actions[copy]))
                assert td["rewards"][copy] == reward
                if row.ended:
                    row.start()
                    self._same(td, copy, row)
                else:
                    self._same(td, copy, row, actions[copy], reward)

    def test_next_step(self, name):
        waiting = set()
        for _, td, rows, actions in self._play(name, "next_step", self._steps(name)):
            for copy, row in enumerate(rows):
                if copy in waiting:
                    waiting.remove(copy)
                    row.start()
                    assert td["rewards"][copy] == 0
                    self._same(td, copy, row)
                    continue
                _, reward, *_ = row.step(_own(name, actions[copy]))
                assert td["rewards"][copy] == reward
                self._same(td, copy, row, actions[copy], reward)
                waiting |= {copy} if row.ended else set()

    def test_disabled(self, name):
        for world, td, rows, actions in self._play(name, "disabled", self._steps(name)):
            shown = [(actions[copy], row.step(_own(name, actions[copy]))[1]) for copy, row in enumerate(rows)]
            for copy, row in enumerate(rows):
                self._same(td, copy, row, *shown[copy])
            ended = td["dones"] | td["truncateds"]
            assert ended.tolist() == [row.ended for row in rows]
            again = world.restart(ended.clone())
            for copy, row in enumerate(rows):
                if row.ended:
                    row.start()
                    self._same(again, copy, row)
                else:
                    self._same(again, copy, row, *shown[copy])


class TestMiniGrid:
    """Oracle: by hand: turning left earns nothing, and the fourth of four steps is the last."""

    def test_last_actions_and_rewards(self):
        gymnasium.register("Short-v0", "minigrid.envs:EmptyEnv", kwargs={"size": 5, "max_steps": 4})
        try:
            world = minigrid_environments.make("Short-v0", num_envs=2, seed=SEED)
        finally:
            del gymnasium.registry["Short-v0"]
        world.reset()
        seen = [world.step(torch.tensor([1, 6]))["last_actions"].tolist() for _ in range(5)]
        assert seen == [[1, 6], [1, 6], [1, 6], [0, 0], [1, 6]]


class TestMemory:
    """Oracle: object identity."""

    @pytest.mark.parametrize("mode", MODES)
    def test_tensors_are_reused(self, mode):
        world, rng = _world(f"FlatTaxi-v0?autoreset={mode}"), np.random.default_rng(0)
        td = world.reset()
        kept = dict(td.items())
        assert {key: (tuple(kept[key].shape), kept[key].dtype) for key in world.spec.optional_inputs} == {
            "action_mask": ((3, 6), torch.bool),
            "last_actions": ((3,), torch.int64),
            "last_rewards": ((3,), torch.float32),
        }
        for _ in range(30):
            td = world.step(_choose(world.spec, td, rng))
            if mode == "disabled":
                td = world.restart(td["dones"] | td["truncateds"])
            assert all(td[key] is tensor for key, tensor in kept.items())


class Moody(gymnasium.Env):
    """Its infos hold the masks of a list, one after another; None is no mask."""

    observation_space, action_space = Box(0, 1, (1,)), Discrete(2)

    def __init__(self, masks):
        self.masks = masks

    def _next(self):
        mask = self.masks[self.count % len(self.masks)]
        self.count += 1
        return {} if mask is None else {"action_mask": mask}

    def reset(self, *, seed=None, options=None):
        self.count = 0
        return np.zeros(1, np.float32), self._next()

    def step(self, action):
        return np.zeros(1, np.float32), 0.0, False, False, self._next()


class TestMasks:
    """Oracle: by hand."""

    def _world(self, *masks):
        gymnasium.register("Moody-v0", Moody, kwargs={"masks": masks})
        try:
            return _world("Moody-v0", num_envs=1)
        finally:
            del gymnasium.registry["Moody-v0"]

    def test_where_none_is_given_all_are_allowed(self):
        world = self._world(np.array([0, 1], np.int8), None, [True, False], np.array([0.0, 2.0]))
        seen = [world.reset()["action_mask"].tolist()]
        seen += [world.step(torch.tensor([1]))["action_mask"].tolist() for _ in range(3)]
        assert seen == [[[False, True]], [[True, True]], [[True, False]], [[False, True]]]

    def test_one_of_another_shape_later(self):
        world = self._world(np.array([0, 1], np.int8), np.ones(1, np.int8))
        world.reset()
        with pytest.raises(GlulamError) as caught:
            world.step(torch.tensor([1]))
        assert str(caught.value) == (
            "<Moody<Moody-v0>>: info['action_mask'] has shape [1] now, and had [2] at first; tell its authors"
        )
