"""What is no game that can be played, and what is said of it: names, spaces, older APIs, broken rules."""

from __future__ import annotations

import sys
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, Text
from pettingzoo import ParallelEnv
from pettingzoo.env_registry.registration import register

from glulam import GlulamError
from glulam_gymnasium import pettingzoo_environments
from glulam_gymnasium.episodes import episode_seed
from glulam_gymnasium.games import game_spec
from tests.plugins.gymnasium.meadow import Meadow
from tests.plugins.gymnasium.test_games import KNIGHTS, SEED, world_of


class TestNames:
    """Oracle: the text, as a user reads it; `spec` and `make` say the same."""

    @pytest.mark.parametrize(
        ("task", "message"),
        [
            (
                "butterfly/knight_v11",
                (
                    "unknown pettingzoo game 'butterfly/knight_v11'; did you mean "
                    "'butterfly/knights_archers_zombies-v11' or 'butterfly/pistonball-v6'?"
                ),
            ),
            ("a/b", "unknown pettingzoo game 'a/b'; pettingzoo:MODULE:NAME imports MODULE first"),
            (
                "classic/chess_v6",
                (
                    "pettingzoo:classic/chess_v6 is a game of turns, and in a world all agents act at once: "
                    "PettingZoo's aec_to_parallel() converts those whose agents all act in each round"
                ),
            ),
            ("json", "pettingzoo:json: the module 'json' has no parallel_env(), which makes the game"),
            (
                "no_such_game",
                (
                    "pettingzoo: cannot import 'no_such_game' (No module named 'no_such_game'); a game is registered "
                    "with PettingZoo, or a module with a function parallel_env()"
                ),
            ),
            (
                "no_such_module:own/meadow-v0",
                (
                    "pettingzoo: cannot import 'no_such_module' (No module named 'no_such_module'); it should register "
                    "'own/meadow-v0'"
                ),
            ),
            (
                f"{KNIGHTS}?autoreset=next_step",
                (
                    f"pettingzoo:{KNIGHTS}?autoreset=next_step: agents of a game start together, in the step that ends "
                    "it: autoreset is same_step, or left out"
                ),
            ),
            (
                "meadow?cows=3",
                (
                    "pettingzoo task 'meadow?cows=3': 'cows=3' is no option; the only one is "
                    "meadow?autoreset=same_step, next_step or disabled"
                ),
            ),
        ],
    )
    def test_wrong_ones(self, task, message):
        with pytest.raises(GlulamError) as of_spec:
            pettingzoo_environments.spec(task)
        with pytest.raises(GlulamError) as of_make:
            pettingzoo_environments.make(task, num_envs=1, seed=0)
        assert str(of_spec.value) == str(of_make.value) == message

    @pytest.mark.parametrize(
        ("entry", "message"),
        [
            (lambda: 3, "pettingzoo:own/broken-v0 is int, which is no pettingzoo.ParallelEnv"),
            (
                ParallelEnv,
                "pettingzoo:own/broken-v0 has no list possible_agents; a world has a row for each of them",
            ),
            (
                lambda: Meadow(goats=3),
                (
                    "pettingzoo:own/broken-v0 cannot be made: TypeError: Meadow.__init__() got an unexpected keyword "
                    "argument 'goats'"
                ),
            ),
        ],
    )
    def test_games_that_cannot_be_made(self, entry, message):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PettingZoo's own, of a game that is registered anew or is none
            register("parallel", "own/broken-v0", entry)
            with pytest.raises(GlulamError) as caught:
                pettingzoo_environments.spec("own/broken-v0")
        assert str(caught.value) == message


def test_a_library_that_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pettingzoo.env_registry.registration", None)
    with pytest.raises(GlulamError) as caught:
        pettingzoo_environments.spec(KNIGHTS)
    assert str(caught.value).startswith("pettingzoo: cannot import 'pettingzoo.env_registry.registration' (")
    assert str(caught.value).endswith("); pip install pettingzoo")


class TestSpaces:
    """Oracle: the text, as a user reads it."""

    def _message(self, game):
        with pytest.raises(GlulamError) as caught:
            game_spec(game, name="own")
        return str(caught.value)

    def test_agents_that_observe_different_things(self):
        game = Meadow()
        game.seen["cow_2"] = Box(0, 99, (4,), np.int16)
        assert self._message(game) == (
            "own: agents 'cow_0' and 'cow_2' have different observation spaces, Box(0, 99, (3,), int16) and "
            "Box(0, 99, (4,), int16); rows of one world are alike: pad them (supersuit.pad_observations_v0, "
            "supersuit.pad_action_space_v0)"
        )

    def test_agents_that_do_different_things(self):
        class Uneven(Meadow):
            def action_space(self, agent):
                return Discrete(2 if agent == "cow_1" else 3)

        assert self._message(Uneven()).startswith(
            "own: agents 'cow_0' and 'cow_1' have different action spaces, Discrete(3) and Discrete(2); "
        )

    def test_what_has_no_mapping(self):
        game = Meadow()
        game.seen = dict.fromkeys(game.seen, Text(3, charset="ab"))
        assert self._message(game).startswith(
            "own: its observations are Text(1, 3, charset=ab), which has no mapping to numbers; "
        )
        game = Meadow()
        game.do = Text(3, charset="ab")
        assert self._message(game).startswith(
            "own: its actions are Text(1, 3, charset=ab), which no action head can serve; "
        )


OLDER = (
    "that is PettingZoo's parallel API before 1.23; in the present one, reset(seed=...) returns (observations, infos) "
    "and step five dicts: port it"
)


class TestOlderApis:
    """Oracle: the text, as a user reads it."""

    def _message(self, **methods):
        with pytest.raises(GlulamError) as caught:
            game_spec(type("Old", (Meadow,), methods)(), name="own")
        return str(caught.value)

    def test_reset_without_infos(self):
        assert self._message(reset=lambda self, seed=None: Meadow.reset(self, seed)[0]) == (
            f"own: its reset() returned one dict, not observation and info; {OLDER}"
        )

    def test_reset_without_a_seed(self):
        def reset(self):
            return Meadow.reset(self)

        assert self._message(reset=reset) == (
            "own: its reset() takes no seed (TestOlderApis.test_reset_without_a_seed.<locals>.reset() got an "
            f"unexpected keyword argument 'seed'); {OLDER}"
        )

    def test_four_dicts(self):
        assert self._message(step=lambda self, actions: Meadow.step(self, actions)[:4]) == (
            f"own: its step() returned 4 values, not five; {OLDER}"
        )


class TestBrokenGames:
    """Oracle: the text; each breaks one rule of PettingZoo's after its first step."""

    def _message(self, change):
        class Broken(Meadow):
            def step(self, actions):
                result = super().step(actions)
                return change(self, *result) or result if self.step_ > 1 else result

        world = world_of(Broken, 1)
        world.reset()
        with pytest.raises(GlulamError) as caught:
            self._play(world)
        return str(caught.value)

    def _play(self, world):
        for _ in range(20):
            world.step(torch.zeros(4, dtype=torch.int64))

    def test_an_agent_that_vanishes(self):
        def change(game, *_):
            game.agents = game.agents[:0]

        assert self._message(change).endswith("did not end and is no longer among its agents; tell its authors")

    def test_an_agent_that_stays(self):
        def change(game, seen, rewards, terminated, truncated, infos):
            return seen, rewards, dict.fromkeys(terminated, True), truncated, infos

        assert self._message(change).endswith("ended and is still among its agents; tell its authors")

    def test_a_stranger(self):
        def change(game, *_):
            game.agents = [*game.agents, "wolf"]

        assert self._message(change) == (
            "own: agent 'wolf' is none of its possible_agents ('cow_0', 'cow_1', 'cow_2', 'cow_3'); tell its authors"
        )

    def test_no_reward(self):
        def change(game, seen, rewards, *rest):
            return seen, {}, *rest

        assert self._message(change).startswith("own: it told no reward of agent 'cow_")

    def test_a_reward_that_is_not_finite(self):
        def change(game, seen, rewards, *rest):
            return seen, dict.fromkeys(rewards, float("nan")), *rest

        assert " is nan; observations and rewards are finite numbers: mend the environment" in self._message(change)

    def test_a_mask_of_another_size(self):
        class Narrow(Meadow):
            def mask(self, number):
                return np.ones(1 if self.step_ == 2 else 3, np.int8)

        world = world_of(partial(Narrow, masked="info"), 1)
        world.reset()
        with pytest.raises(GlulamError, match=r"^own: the mask of row \d has shape \[1\]; tell its authors$"):
            self._play(world)

    def test_nobody_from_the_start(self):
        class Empty(Meadow):
            def reset(self, seed=None, options=None):
                result = super().reset(seed)
                self.agents = [] if seed == episode_seed(SEED, 0, 0) else self.agents
                return result

        with pytest.raises(GlulamError) as caught:
            world_of(Empty, 1).reset()
        assert str(caught.value) == "own: its reset() left a game without agents; tell its authors"
