"""Many simulations as one world."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import torch

from glulam import GlulamError
from glulam_mettagrid import environments

pytestmark = pytest.mark.skipif(find_spec("mettagrid") is None, reason="mettagrid has no wheel for this machine")

LENGTH = {"forage": 128, "forage_hearts": 128, "tmaze": 20}
SEED = 11


def _play(task: str, steps: int, *, num_envs: int = 3, seed: int = SEED):
    """Yield the actions that led to it (None at first) and a copy of every TensorDict."""
    environment = environments.make(task, num_envs=num_envs, seed=seed)
    yield None, environment.reset().clone()
    for t in range(steps):
        actions = _actions(environment, t)
        yield actions, environment.step(actions).clone()


def _actions(environment, t: int) -> torch.Tensor:
    """Random actions that depend on the row and the step alone."""
    rows = environment.spec.num_agents * len(environment._slices)
    return torch.tensor([np.random.default_rng((t, row)).integers(5) for row in range(rows)])


class _Oracle:
    """One of mettagrid's own Simulations, with buffers of its own, remade by hand for each episode."""

    def __init__(self, task: str, env: int, episode: int) -> None:
        from mettagrid.simulator import Simulation

        from glulam_mettagrid.tasks import build_task

        built = build_task(task)
        seed = int(np.random.SeedSequence((SEED, env, episode)).generate_state(1)[0]) & 0x7FFFFFFF
        config = built.config.model_copy(deep=True)
        config.game.map_builder = built.map_for_seed(seed)
        self.simulation = Simulation(config, seed=seed)

    @property
    def obs(self) -> torch.Tensor:
        return torch.from_numpy(self.simulation._c_sim.observations().copy())

    def step(self, actions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        c = self.simulation._c_sim
        c.actions()[:] = actions.numpy()
        self.simulation.step()
        return self.obs, *(torch.from_numpy(x().copy()) for x in (c.rewards, c.terminals, c.truncations))


@pytest.mark.parametrize("task", environments.tasks)
class TestAgainstPlainSimulations:
    """Oracle: mettagrid's Simulation, one an episode, made anew from the config and stepped by hand."""

    def test_every_step_of_two_episodes(self, task):
        length, agents = LENGTH[task], environments.spec(task).num_agents
        oracles = [_Oracle(task, env, 0) for env in range(3)]
        paid = 0.0
        for t, (actions, td) in enumerate(_play(task, 2 * length)):
            for env in range(3):
                rows = slice(env * agents, (env + 1) * agents)
                if actions is None:
                    assert torch.equal(td["env_obs"][rows], oracles[env].obs)
                    assert not td["last_actions"].any()
                    assert not td["last_rewards"].any()
                    continue
                obs, rewards, terminals, truncations = oracles[env].step(actions[rows])
                assert torch.equal(td["rewards"][rows], rewards)
                assert torch.equal(td["dones"][rows], terminals)
                assert torch.equal(td["truncateds"][rows], truncations)
                paid += float(rewards.sum())
                begun = t % length == 0
                assert torch.equal(
                    td["last_actions"][rows], torch.zeros_like(actions[rows]) if begun else actions[rows]
                )
                assert torch.equal(td["last_rewards"][rows], torch.zeros_like(rewards) if begun else rewards)
                if t % length == 0:
                    assert truncations.all()
                    assert torch.equal(td["final_obs"][rows], obs)
                    oracles[env] = _Oracle(task, env, t // length)
                assert torch.equal(td["env_obs"][rows], oracles[env].obs)
        assert paid > 0 or task != "forage"

    def test_an_episode_is_cut_off_never_done(self, task):
        """Oracle: the length in the task's description."""
        flags = [(bool(td["dones"].any()), td["truncateds"].tolist()) for _, td in _play(task, 2 * LENGTH[task] + 1)]
        rows = len(flags[0][1])
        assert [t for t, (_, cut) in enumerate(flags) if any(cut)] == [LENGTH[task], 2 * LENGTH[task]]
        assert all(not done and sum(cut) in (0, rows) for done, cut in flags)


class TestLastReward:
    """Oracle: a walk by hand: the altar pays in the very step that ends the episode."""

    def test_the_last_action_is_paid_and_the_next_episode_starts_clean(self):
        environment = environments.make("tmaze", num_envs=8, seed=SEED)
        environment.reset()
        for actions in [0] * 15 + [1] * 3 + [3]:
            td = environment.step(torch.full((8,), actions))
            assert not td["rewards"].any()
        td = environment.step(torch.full((8,), 3))  # bumps the left altar, which pays where the lamp is red
        assert td["rewards"].tolist() == [float(_seed(env) % 2 == 0) for env in range(8)]
        assert 0 < td["rewards"].sum() < 8
        assert td["truncateds"].all()
        assert not td["last_rewards"].any()
        assert not td["last_actions"].any()
        td = environment.step(torch.zeros(8, dtype=torch.int64))
        assert not td["rewards"].any()
        assert not td["truncateds"].any()


def _seed(env: int) -> int:
    from glulam_mettagrid.vector import episode_seed

    return episode_seed(SEED, env, 0)


class TestSeeds:
    """Oracle: the same world built twice."""

    def _observations(self, **settings) -> torch.Tensor:
        return torch.stack([td["env_obs"] for _, td in _play("forage", 140, **settings)])

    def test_one_seed_one_course(self):
        assert torch.equal(self._observations(), self._observations())

    def test_another_seed_another_course(self):
        first, second = self._observations(), self._observations(seed=SEED + 1)
        for row in range(first.shape[1]):
            assert not torch.equal(first[0, row], second[0, row])

    def test_a_simulation_is_the_same_whatever_runs_beside_it(self):
        assert torch.equal(self._observations(num_envs=1), self._observations(num_envs=3)[:, :4])

    def test_a_part_of_a_world_is_as_in_the_whole(self):
        environment = environments.make("forage", num_envs=2, seed=SEED, first=1)
        found = [environment.reset()["env_obs"].clone()]
        found += [environment.step(_actions(environment, t))["env_obs"].clone() for t in range(5)]
        whole = environments.make("forage", num_envs=3, seed=SEED)
        expected = [whole.reset()["env_obs"].clone()]
        for t in range(5):
            actions = torch.cat([torch.zeros(4, dtype=torch.int64), _actions(environment, t)])
            expected.append(whole.step(actions)["env_obs"].clone())
        assert torch.equal(torch.stack(found), torch.stack(expected)[:, 4:])

    def test_simulations_and_episodes_differ(self):
        maps = [_Oracle("forage", env, episode).obs for env in range(3) for episode in range(3)]
        for i, one in enumerate(maps):
            for other in maps[:i]:
                assert not torch.equal(one, other)

    def test_reset_goes_on_to_the_next_episode(self):
        environment = environments.make("forage", num_envs=1, seed=SEED)
        environment.reset()
        assert environment.step(torch.full((4,), 3))["last_actions"].tolist() == [3, 3, 3, 3]
        td = environment.reset()
        assert torch.equal(td["env_obs"], _Oracle("forage", 0, 1).obs)
        assert not any(td[key].any() for key in ("rewards", "last_actions", "last_rewards"))


class TestMemory:
    """Oracle: object identity and addresses."""

    def _world(self):
        environment = environments.make("forage", num_envs=3, seed=SEED)
        return environment, environment.reset()

    def test_shapes_and_types(self):
        _, td = self._world()
        assert td.batch_size == (12,)
        assert {key: (tuple(x.shape), x.dtype) for key, x in td.items()} == {
            "env_obs": ((12, 200, 3), torch.uint8),
            "env_id": ((12,), torch.int64),
            "rewards": ((12,), torch.float32),
            "dones": ((12,), torch.bool),
            "truncateds": ((12,), torch.bool),
            "final_obs": ((12, 200, 3), torch.uint8),
            "last_actions": ((12,), torch.int64),
            "last_rewards": ((12,), torch.float32),
        }
        assert td["env_id"].tolist() == list(range(12))

    def test_tensors_are_reused_and_the_dict_is_new(self):
        environment, first = self._world()
        kept = dict(first.items())
        first["actions"] = torch.zeros(12, dtype=torch.int64)
        for t in range(130):
            td = environment.step(_actions(environment, t))
            assert td is not first
            assert set(td.keys()) == set(kept)
            assert all(td[key] is tensor for key, tensor in kept.items())

    def test_the_simulators_write_into_the_tensor_itself(self):
        environment, td = self._world()
        for _ in range(2):
            for env, simulator in enumerate(environment._simulators):
                rows = td["env_obs"][4 * env : 4 * env + 4]
                assert simulator.observations().ctypes.data == rows.data_ptr()
            environment.reset()

    def test_rows_share_no_memory(self):
        environment, td = self._world()
        for tensor in td.values():
            assert tensor.is_contiguous()
        starts = [tensor.data_ptr() for tensor in td.values()]
        ends = [tensor.data_ptr() + tensor.numel() * tensor.element_size() for tensor in td.values()]
        for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
            assert all(
                end <= other or stop <= start
                for j, (other, stop) in enumerate(zip(starts, ends, strict=True))
                if i != j
            )
        actions = _actions(environment, 0)
        environment.step(actions)
        assert actions.data_ptr() != environment._actions.ctypes.data


class TestActions:
    """Oracle: the text, and that nothing moved."""

    @pytest.mark.parametrize(
        ("actions", "message"),
        [
            (torch.tensor([0, 0, 5, 0]), "mettagrid:forage: action 5 in row 2; actions go from 0 to 4"),
            (torch.tensor([0, -1, 0, 0]), "mettagrid:forage: action -1 in row 1; actions go from 0 to 4"),
            (
                torch.tensor([0, 0, 0, 2**32]),
                "mettagrid:forage: action 4294967296 in row 3; actions go from 0 to 4",
            ),
            (
                torch.zeros(3, dtype=torch.int64),
                "mettagrid:forage: actions are torch.int64 [3]; they must be torch.int64 [4], one a row",
            ),
            (
                torch.zeros(4, 1),
                "mettagrid:forage: actions are torch.float32 [4, 1]; they must be torch.int64 [4], one a row",
            ),
        ],
    )
    def test_a_wrong_action_stops_nothing_else(self, actions, message):
        environment = environments.make("forage", num_envs=1, seed=SEED)
        before = environment.reset()["env_obs"].clone()
        with pytest.raises(GlulamError) as caught:
            environment.step(actions)
        assert str(caught.value) == message
        assert torch.equal(environment._outputs["env_obs"], before)
        assert environment._simulators[0].current_step == 0

    def test_small_integers_do(self):
        environment = environments.make("forage", num_envs=1, seed=SEED)
        environment.reset()
        td = environment.step(torch.tensor([1, 2, 3, 4], dtype=torch.int32))
        assert environment._actions.tolist() == [1, 2, 3, 4]
        assert td["last_actions"].tolist() == [1, 2, 3, 4]


class TestLife:
    """Oracle: the text, as a user reads it."""

    def test_step_before_reset(self):
        environment = environments.make("tmaze", num_envs=1, seed=0)
        with pytest.raises(GlulamError, match=r"^mettagrid:tmaze: call reset\(\) before step\(\)$"):
            environment.step(torch.zeros(1, dtype=torch.int64))

    def test_closed(self):
        environment = environments.make("tmaze", num_envs=1, seed=0)
        environment.reset()
        environment.close()
        environment.close()
        message = r"^mettagrid:tmaze: this environment is closed; make another$"
        with pytest.raises(GlulamError, match=message):
            environment.reset()
        with pytest.raises(GlulamError, match=message):
            environment.step(torch.zeros(1, dtype=torch.int64))


class TestOwnConfig:
    """A config that is none of our tasks; oracle: mettagrid's Simulation with the same map."""

    def _world(self, **obs):
        from glulam_mettagrid.tasks import build_task
        from glulam_mettagrid.vector import MettaGridEnvironment

        config = build_task("forage").config
        for name, value in obs.items():
            setattr(config.game.obs, name, value)
        return config, MettaGridEnvironment(config, name="own", num_envs=2, seed=SEED)

    def test_its_map_builder_is_seeded(self):
        config, environment = self._world()
        before = config.model_dump_json()
        assert torch.equal(environment.reset()["env_obs"][:4], _Oracle("forage", 0, 0).obs)
        assert config.model_dump_json() == before

    def test_too_few_tokens(self):
        _, environment = self._world(num_tokens=10)
        with pytest.raises(GlulamError, match=r"^own: mettagrid stopped: .*budget.*; obs\.num_tokens is 10$"):
            environment.reset()
