"""PettingZoo's parallel games as worlds of fixed rows."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import pytest
import torch
from mpe2 import simple_spread_v3
from pettingzoo.env_registry.registration import make
from pettingzoo.utils.wrappers import BaseParallelWrapper

import glulam
from glulam import GlulamError
from glulam_gymnasium import pettingzoo_environments
from glulam_gymnasium.episodes import episode_seed
from glulam_gymnasium.games import game_spec
from glulam_gymnasium.parallel import ParallelGames, make_games
from glulam_train.world import World
from tests.plugins.gymnasium.meadow import Meadow

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # its tests import a game in its own old way
    from pettingzoo.test import parallel_api_test, parallel_seed_test

COPIES, SEED = 3, 11
KNIGHTS = "butterfly/knights_archers_zombies-v11"
LINED_KNIGHTS = partial(make, "parallel", KNIGHTS, max_cycles=60, line_death=True)  # walking off is death
GAMES = {
    "meadow": Meadow,
    "masked observations": partial(Meadow, masked="observation"),
    "masked infos": partial(Meadow, masked="info"),
    "spread": partial(simple_spread_v3.parallel_env, N=2, max_cycles=7),
    "knights": LINED_KNIGHTS,
}


def world_of(one, num_envs=COPIES, seed=SEED, first=0):
    spec, numbers = game_spec(one(), name="own")
    return make_games(one, spec=spec, num_envs=num_envs, seed=seed, first=first, numbers=numbers)


class Copy:
    """One game, stepped by hand, and for each agent what its row has to show."""

    def __init__(self, one, copy):
        self.game, self.copy, self.episode = one(), copy, -1
        self.known = {agent: {"active": False, "flag": True} for agent in self.game.possible_agents}
        self.begin()
        for row in self.known.values():
            row["flag"] = not row["active"]

    def begin(self):
        self.episode += 1
        seed = np.random.SeedSequence((SEED, self.copy, self.episode)).generate_state(1)[0] & 0x7FFFFFFF
        self.place(*self.game.reset(seed=int(seed)))

    def place(self, observations, infos):
        for agent in self.game.agents:
            seen = observations[agent]
            mask = seen["action_mask"] if isinstance(seen, dict) else infos[agent].get("action_mask")
            seen = seen["observation"] if isinstance(seen, dict) else seen
            self.known[agent] |= {"active": True, "seen": seen.copy(), "mask": mask}

    def step(self, actions):
        """Return the rows of agents that ended, with the last observation of each."""
        present = [agent for agent, row in self.known.items() if row["active"]]
        assert set(present) == set(self.game.agents)
        told = self.game.step({agent: actions[agent] for agent in present})
        observations, rewards, terminated, truncated, infos = told
        ended = {}
        for agent, row in self.known.items():
            was = row["active"]
            row |= {"active": False, "reward": rewards[agent] if was else 0.0}
            if was:
                row |= {"flag": terminated[agent] or truncated[agent], "done": terminated[agent]}
                if row["flag"]:
                    seen = observations[agent]
                    ended[agent] = (seen["observation"] if isinstance(seen, dict) else seen).copy()
        if self.game.agents:
            self.place(observations, infos)
        else:
            self.begin()
        return ended


def play(name):
    """Play a game in a world and by hand, and hold each row against the table of its agent.

    Returns how many lives ended, and how many rows waited in how many steps.
    """
    one = GAMES[name]
    stepped, copies = World(world_of(one)), [Copy(one, copy) for copy in range(COPIES)]
    spec, agents = stepped.spec, copies[0].game.possible_agents
    td, rng = stepped.reset(), np.random.default_rng(0)
    valid, lives, waits = stepped.valid, 0, 0
    start = int(copies[0].game.action_space(agents[0]).start)
    assert td["agent_id"].tolist() == [*range(len(agents))] * COPIES
    assert ("action_mask" in td) == name.startswith("masked")
    for _ in range(70):
        for (copy, agent), row in zip(((c, a) for c in copies for a in agents), range(len(td)), strict=True):
            known = copy.known[agent]
            assert bool(td["active"][row]) == bool(valid[row]) == known["active"]
            assert bool(td["dones"][row] | td["truncateds"][row]) == known["flag"]
            assert np.array_equal(td["env_obs"][row], known["seen"] if known["active"] else np.zeros(spec.box.shape))
            if "action_mask" in td:
                allowed = known["mask"].astype(bool).tolist() if known["active"] else [True] * 3
                assert td["action_mask"][row].tolist() == allowed
            waits += not known["active"]
        actions = rng.integers(0, spec.num_actions, len(td))
        before = valid
        step = stepped.step(torch.from_numpy(actions))
        td, valid = step.td, step.valid
        for number, copy in enumerate(copies):
            own = dict(zip(agents, actions[number * len(agents) :][: len(agents)] + start, strict=True))
            ended = copy.step(own)
            for place, agent in enumerate(agents):
                row, known = number * len(agents) + place, copy.known[agent]
                assert step.reward[row] == np.float32(known["reward"])
                done = agent in ended and known["done"]
                assert (step.done[row], step.truncated[row]) == (done, agent in ended and not done)
                if agent in ended:
                    lives += 1
                    assert np.array_equal(step.final_obs[row], ended[agent])
                goes_on = known["active"] and before[row] and agent not in ended
                assert td["last_actions"][row] == (actions[row] if goes_on else 0)
                assert td["last_rewards"][row] == (np.float32(known["reward"]) if goes_on else 0)
    return lives, waits


@pytest.mark.parametrize("name", GAMES)
def test_every_step_is_the_games_own(name):
    """Oracle: the games themselves, stepped by hand, with a table of who is there."""
    lives, waits = play(name)
    assert lives >= COPIES * len(GAMES[name]().possible_agents)
    assert (waits > 0) == (name != "spread")


class TestSabotage:
    """What must not pass."""

    def test_last_observations_that_the_next_episode_overwrites(self, monkeypatch):
        monkeypatch.setattr("glulam_gymnasium.parallel.deepcopy", lambda observation: observation)
        with pytest.raises(AssertionError):
            play("meadow")

    def test_actions_of_the_episode_before(self, monkeypatch):
        remember = ParallelGames._remember
        monkeypatch.setattr(ParallelGames, "_remember", lambda world, given, begun: remember(world, given, ~begun))
        with pytest.raises(AssertionError):
            play("meadow")

    def test_flags_that_fall_while_a_row_waits(self, monkeypatch):
        output = ParallelGames._output

        def forgetful(world):
            world._dones[~world._active] = world._truncateds[~world._active] = False
            return output(world)

        monkeypatch.setattr(ParallelGames, "_output", forgetful)
        with pytest.raises(AssertionError):
            play("meadow")

    def test_episodes_that_end_while_a_row_waits(self, monkeypatch):
        send = World.send

        def forgetful(world, actions):
            world.valid = world._all  # as if everybody had been there before this step
            send(world, actions)

        monkeypatch.setattr(World, "send", forgetful)
        with pytest.raises(AssertionError):
            play("meadow")


class TestSeeds:
    """Oracle: the same world made twice."""

    def _observations(self, num_envs=COPIES, seed=SEED):
        world = world_of(Meadow, num_envs, seed)
        seen = [world.reset()["env_obs"].clone()]
        seen += [world.step(torch.zeros(4 * num_envs, dtype=torch.int64))["env_obs"].clone() for _ in range(30)]
        return torch.stack(seen)

    def test_one_seed_one_course_and_another_another(self):
        first = self._observations()
        assert torch.equal(first, self._observations())
        assert torch.equal(first[:, :4], self._observations(num_envs=1))
        assert torch.equal(first[0, 4:], world_of(Meadow, 2, first=1).reset()["env_obs"])
        assert not torch.equal(first, self._observations(seed=SEED + 1))

    def test_reset_goes_on_to_the_next_episode(self):
        world, game = world_of(Meadow, 1), Meadow()
        for episode in range(3):
            td = world.reset()
            observations, _ = game.reset(seed=episode_seed(SEED, 0, episode))
            for row, agent in enumerate(game.possible_agents):
                assert np.array_equal(td["env_obs"][row], observations.get(agent, np.zeros(3)))
                assert (bool(td["dones"][row]), bool(td["truncateds"][row])) == (agent not in observations, False)
            assert not td["rewards"].any()
            for _ in range(2):
                world.step(torch.zeros(4, dtype=torch.int64))


class Counted(BaseParallelWrapper):
    """Counts its steps."""

    steps = 0

    def step(self, actions):
        self.steps += 1
        return self.env.step(actions)


class Silent(Meadow):
    """Tells no observation of its first agent."""

    def reset(self, seed=None, options=None):
        observations, infos = super().reset(seed, options)
        observations.pop(self.agents[0])
        return observations, infos


class TestOurGames:
    """PettingZoo's own tests, of the games that these tests play."""

    @pytest.mark.parametrize("name", GAMES)
    def test_the_parallel_api(self, name):
        game = Counted(GAMES[name]())
        parallel_api_test(game, num_cycles=50)
        assert game.steps > 0

    @pytest.mark.parametrize("name", GAMES)
    def test_seeds(self, name):
        made = []
        parallel_seed_test(lambda: made.append(Counted(GAMES[name]())) or made[-1], num_cycles=50)
        assert len(made) == 2
        assert all(game.steps > 0 for game in made)

    def test_a_game_that_keeps_an_observation_to_itself_does_not_pass(self):
        with pytest.raises(AssertionError):
            parallel_api_test(Silent(), num_cycles=50)


class TestThroughCore:
    """Oracle: by hand."""

    def test_by_uri(self):
        spec = glulam.environment_spec(f"pettingzoo:{KNIGHTS}")
        assert (spec.num_agents, spec.num_actions, spec.box.shape) == (4, 6, (27, 5))
        assert spec.optional_inputs == ("active", "last_actions", "last_rewards", "agent_id")
        assert spec.autoreset == "same_step"
        assert pettingzoo_environments.spec("butterfly/knights_archers_zombies_v11").box == spec.box
        world = glulam.make_environment("pettingzoo:tests.plugins.gymnasium.meadow", num_envs=2, seed=0)
        assert world.reset().batch_size == (8,)

    def test_one_that_a_module_registers(self, tmp_path, monkeypatch):
        (tmp_path / "own_games.py").write_text(
            "from pettingzoo.env_registry.registration import register\n"
            "register('parallel', 'own/meadow-v0', 'tests.plugins.gymnasium.meadow:parallel_env')\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        assert pettingzoo_environments.spec("own_games:own/meadow-v0").num_agents == 4


class TestLife:
    """Oracle: the text, as a user reads it."""

    def test_before_reset_and_closed(self):
        world = world_of(Meadow)
        with pytest.raises(GlulamError, match=r"^own: call reset\(\) before step\(\)$"):
            world.step(torch.zeros(12, dtype=torch.int64))
        world.reset()
        world.close()
        world.close()
        with pytest.raises(GlulamError, match=r"^own: this environment is closed; make another$"):
            world.reset()

    def test_arguments_out_of_range(self):
        with pytest.raises(GlulamError, match=r"^own: num_envs is 0; it must be at least 1$"):
            world_of(Meadow, 0)
        with pytest.raises(GlulamError, match=r"^own: first is -1; it must not be negative$"):
            world_of(Meadow, 1, first=-1)

    def test_a_wrong_action_stops_nothing_else(self):
        world = world_of(Meadow)
        before = world.reset()["env_obs"].clone()
        with pytest.raises(GlulamError, match=r"^own: action 3 in row 11; actions go from 0 to 2$"):
            world.step(torch.tensor([0] * 11 + [3]))
        assert torch.equal(world._outputs["env_obs"], before)
