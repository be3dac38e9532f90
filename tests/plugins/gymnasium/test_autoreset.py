"""When episodes end and start anew, in each of the three modes of autoreset."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from glulam import GlulamError
from glulam_gymnasium import gymnasium_environments
from tests.plugins.gymnasium.oracle import SEED, Row

COPIES = 3
MODES = ("same_step", "next_step", "disabled")
DISABLED = "Ladder-v0?autoreset=disabled"


def _world(task: str, num_envs: int = COPIES):
    return gymnasium_environments.make(task, num_envs=num_envs, seed=SEED)


def _actions(number: int, t: int) -> torch.Tensor:
    return torch.tensor([np.random.default_rng((t, copy)).integers(number) for copy in range(COPIES)])


@pytest.mark.parametrize("name", ["CartPole-v1", "Ladder-v0", "LadderFrom5-v0", "MountainCar-v0"])
class TestAgainstPlainEnvironments:
    """Oracle: each row's episodes in an environment of its own, made by `gymnasium.make` and stepped by hand."""

    def _play(self, name: str, mode: str, steps: int = 230):
        """Yield what the world showed after each step, with the rows and the actions behind it."""
        world = _world(f"{name}?autoreset={mode}")
        rows = [Row(name, copy) for copy in range(COPIES)]
        td = world.reset()
        for row, obs in zip(rows, td["env_obs"], strict=True):
            assert np.array_equal(obs, row.start())
        assert not any(td[key].any() for key in ("rewards", "dones", "truncateds"))
        first = int(rows[0].env.action_space.start)
        for t in range(steps):
            actions = _actions(world.spec.num_actions, t)
            yield rows, (actions + first).tolist(), world, world.step(actions)

    def _same(self, td, copy: int, expected) -> None:
        obs, reward, done, truncated = expected
        assert np.array_equal(td["env_obs"][copy], obs)
        assert (td["rewards"][copy], td["dones"][copy], td["truncateds"][copy]) == (reward, done, truncated)

    def _ends(self, name: str, ends: list) -> None:
        """Both ways to end were seen, where there are both."""
        assert len(ends) >= COPIES
        if name.startswith("Ladder"):
            assert {*ends} == {(True, False), (False, True)}

    def test_same_step(self, name):
        ends = []
        for rows, actions, _, td in self._play(name, "same_step"):
            for copy, row in enumerate(rows):
                obs, reward, *flags = row.step(actions[copy])
                if row.ended:
                    ends.append(tuple(flags))
                    assert np.array_equal(td["final_obs"][copy], obs)
                    obs = row.start()
                self._same(td, copy, (obs, reward, *flags))
        self._ends(name, ends)

    def test_next_step(self, name):
        ends, waiting = [], set()
        for rows, actions, _, td in self._play(name, "next_step"):
            assert torch.equal(td["final_obs"], td["env_obs"])
            for copy, row in enumerate(rows):
                if copy in waiting:
                    waiting.remove(copy)
                    self._same(td, copy, (row.start(), 0.0, False, False))
                    continue
                obs, reward, *flags = row.step(actions[copy])
                self._same(td, copy, (obs, reward, *flags))
                if row.ended:
                    ends.append(tuple(flags))
                    waiting.add(copy)
        self._ends(name, ends)

    def test_disabled(self, name):
        ends = []
        for rows, actions, world, td in self._play(name, "disabled"):
            expected = [row.step(actions[copy]) for copy, row in enumerate(rows)]
            for copy, row in enumerate(rows):
                self._same(td, copy, expected[copy])
                if row.ended:
                    ends.append(expected[copy][2:])
                    assert np.array_equal(td["final_obs"][copy], expected[copy][0])
                    expected[copy] = (row.start(), 0.0, False, False)
            again = world.restart(td["dones"] | td["truncateds"])
            for copy, seen in enumerate(expected):
                self._same(again, copy, seen)
        self._ends(name, ends)


@pytest.mark.parametrize("mode", MODES)
class TestAgainstGymnasiumsVector:
    """Oracle: `SyncVectorEnv` itself on an environment without chance, so that seeds say nothing."""

    def test_every_step(self, mode):
        vector = SyncVectorEnv(
            [lambda: gymnasium.make("LadderPlain-v0", disable_env_checker=True)] * COPIES,
            autoreset_mode=AutoresetMode("".join(word.capitalize() for word in mode.split("_"))),
        )
        world = _world(f"LadderPlain-v0?autoreset={mode}")
        vector.reset()
        td, ends = world.reset(), 0
        for t in range(40):
            actions = _actions(2, t)
            obs, rewards, terminated, truncated, _ = vector.step(actions.numpy())
            td = world.step(actions)
            assert np.array_equal(td["env_obs"], obs)
            assert np.array_equal(td["rewards"], rewards)
            assert np.array_equal(td["dones"], terminated)
            assert np.array_equal(td["truncateds"], truncated & ~terminated)
            ended = terminated | truncated
            ends += ended.sum()
            if mode == "disabled" and ended.any():
                obs, _ = vector.reset(options={"reset_mask": ended})
                td = world.restart(torch.from_numpy(ended))
                assert np.array_equal(td["env_obs"], obs)
        assert ends > 2 * COPIES


class TestBothEndsAtOnce:
    """Oracle: by hand. Five steps of which the last three climb: terminated, and at the limit of steps."""

    def test_a_termination_is_no_truncation(self):
        world = _world("Ladder-v0", num_envs=2)
        world.reset()
        for climb in (0, 0, 1, 1):
            td = world.step(torch.tensor([climb, 0]))
        assert not td["dones"].any()
        td = world.step(torch.tensor([1, 0]))
        assert td["dones"].tolist() == [True, False]
        assert td["truncateds"].tolist() == [False, True]
        assert td["rewards"].tolist() == [3.0, 0.0]
        assert td["final_obs"][:, 1].tolist() == [3, 0]
        assert td["env_obs"][:, 1].tolist() == [0, 0]


class TestRestart:
    """Oracle: by hand, on ladders: [number of the episode, rung]."""

    def _climbed(self):
        """Row 0 has ended at the top, row 1 stands on rung 1, row 2 on rung 2."""
        world = _world(DISABLED)
        world.reset()
        for actions in ([1, 0, 1], [1, 0, 0], [1, 1, 1]):
            td = world.step(torch.tensor(actions))
        return world, td

    def test_only_a_world_with_autoreset_disabled_has_it(self):
        assert [hasattr(_world(f"Ladder-v0?autoreset={mode}"), "restart") for mode in MODES] == [False, False, True]

    def test_other_rows_stay_as_they_were(self):
        world, td = self._climbed()
        before = td.clone()
        assert before["env_obs"][:, 1].tolist() == [3, 1, 2]
        assert before["dones"].tolist() == [True, False, False]
        td = world.restart(torch.tensor([False, False, True]))
        assert td["env_obs"][:, 1].tolist() == [3, 1, 0]
        assert td["rewards"].tolist() == [3.0, 1.0, 0.0]
        assert td["dones"].tolist() == [True, False, False]
        assert torch.equal(td["env_obs"][:2], before["env_obs"][:2])

    def test_no_row_changes_nothing(self):
        world, td = self._climbed()
        before = td.clone()
        after = world.restart(torch.zeros(3, dtype=torch.bool))
        assert all(torch.equal(after[key], before[key]) for key in before.keys())  # noqa: SIM118  # a TensorDict

    def test_an_ended_row_stops_the_others_until_then(self):
        world, td = self._climbed()
        before = td["env_obs"].clone()
        with pytest.raises(GlulamError) as caught:
            world.step(torch.zeros(3, dtype=torch.int64))
        assert str(caught.value) == (
            "gymnasium:Ladder-v0?autoreset=disabled: the episodes of rows [0] have ended; call restart() before step()"
        )
        assert torch.equal(td["env_obs"], before)
        world.restart(td["dones"].clone())
        assert world.step(torch.ones(3, dtype=torch.int64))["env_obs"][:, 1].tolist() == [1, 2, 3]

    def test_reset_starts_all(self):
        world, _ = self._climbed()
        td = world.reset()
        assert td["env_obs"][:, 1].tolist() == [0, 0, 0]
        assert not any(td[key].any() for key in ("rewards", "dones", "truncateds"))

    @pytest.mark.parametrize(
        ("rows", "found"),
        [(torch.tensor([0, 1, 1]), "torch.int64 [3]"), (torch.tensor([True]), "torch.bool [1]")],
    )
    def test_wrong_rows(self, rows, found):
        world, _ = self._climbed()
        with pytest.raises(GlulamError) as caught:
            world.restart(rows)
        assert str(caught.value) == (
            f"gymnasium:Ladder-v0?autoreset=disabled: rows to restart are {found}; they must be torch.bool [3]"
        )
