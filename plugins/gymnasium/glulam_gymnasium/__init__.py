"""Gymnasium's environments as glulam's, such as `gymnasium:CartPole-v1`, MiniGrid's as tokens, and PettingZoo's games.

A task may say when the next episode starts: `CartPole-v1?autoreset=next_step` or `?autoreset=disabled`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, cast

from glulam import GlulamError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import gymnasium
    from gymnasium.envs.registration import EnvSpec as Registered
    from pettingzoo import ParallelEnv

    from glulam import Environment, EnvSpec
    from glulam_gymnasium.observations import Numbers
    from glulam_gymnasium.vector import Observer

__all__ = ["gymnasium_environments", "minigrid_environments", "pettingzoo_environments"]

Autoreset = Literal["same_step", "next_step", "disabled"]
MODES = ("same_step", "next_step", "disabled")


def parse_task(family: str, task: str) -> tuple[str, Autoreset]:
    """Return the name in a task, and when its next episode starts.

    Raises:
        GlulamError: if there is another option.
    """
    name, mark, option = task.partition("?")
    mode = re.fullmatch(rf"autoreset=({'|'.join(MODES)})", option)
    if mark and mode is None:
        msg = (
            f"{family} task {task!r}: {option!r} is no option; "
            f"the only one is {name}?autoreset={', '.join(MODES[:-1])} or {MODES[-1]}"
        )
        raise GlulamError(msg)
    return name, cast("Autoreset", mode[1] if mode else MODES[0])


class GymnasiumEnvironments:
    """The family `gymnasium`: ids whose observations become numbers, with actions of any of three kinds.

    Neither Gymnasium nor an environment is imported before a task is asked for, nor is torch for its spec.
    """

    family = "gymnasium"

    def __init__(self) -> None:
        self._specs: dict[str, tuple[Registered, EnvSpec, Observer]] = {}

    def spec(self, task: str) -> EnvSpec:
        """Return what a policy needs to know of a task, from one copy that is made once; imports no torch.

        Args:
            task: a Gymnasium id, or `MODULE:ID` where importing MODULE registers it; `?autoreset=` may follow.

        Raises:
            GlulamError: if there is no such id, it cannot be made, or its spaces are not supported.
        """
        return self._known(task)[1]

    def _known(self, task: str) -> tuple[Registered, EnvSpec, Observer]:
        """Return what is known of a task, from one copy."""
        name, autoreset = parse_task(self.family, task)
        registered = self._find(name)
        known = self._specs.get(task)
        if known is None or known[0] is not registered:  # an id can be registered anew
            env = self._one(registered)
            try:
                known = registered, *self._describe(env, f"{self.family}:{task}", autoreset)
            finally:
                env.close()
            self._specs[task] = known
        return known

    def make(self, task: str, *, num_envs: int, seed: int, first: int = 0, render: bool = False) -> Environment:
        """Return `num_envs` copies of a task as one world of as many rows.

        Args:
            task: as for `spec`.
            num_envs: copies, at least 1.
            seed: not negative; decides every episode of every copy.
            first: the number of the first copy among those with this seed.
            render: whether the copies draw pictures.

        Raises:
            GlulamError: as for `spec`, or if `num_envs`, `seed` or `first` is out of range, or there are no pictures.
        """
        registered, spec, observe = self._known(task)
        from glulam_gymnasium.vector import make_world

        return make_world(
            lambda: self._shown(self._one(registered, render=render)),
            spec=spec,
            num_envs=num_envs,
            seed=seed,
            first=first,
            observe=observe,
        )

    def _find(self, name: str) -> Registered:
        from glulam_gymnasium.registered import find

        return find(name, family=self.family)

    def _one(self, registered: Registered, *, render: bool = False) -> gymnasium.Env[Any, Any]:
        from glulam_gymnasium.registered import make_one

        return make_one(registered, family=self.family, render=render)

    def _describe(self, env: gymnasium.Env[Any, Any], name: str, autoreset: Autoreset) -> tuple[EnvSpec, Observer]:
        from glulam_gymnasium.spaces import box_spec

        return box_spec(env, name=name, autoreset=autoreset)

    def _shown(self, env: gymnasium.Env[Any, Any]) -> gymnasium.Env[Any, Any]:
        """Return a copy as one that observes what the observer of `_describe` takes."""
        return env


class MiniGridEnvironments(GymnasiumEnvironments):
    """The family `minigrid`: MiniGrid's ids (and BabyAI's), whose view of the grid becomes tokens."""

    family = "minigrid"

    def _find(self, name: str) -> Registered:
        from glulam_gymnasium.registered import find, register_minigrid

        register_minigrid()
        return find(name, family=self.family, module="minigrid.")

    def _describe(self, env: gymnasium.Env[Any, Any], name: str, autoreset: Autoreset) -> tuple[EnvSpec, Observer]:
        from glulam_gymnasium.tokens import GridTokens, grid_spec

        spec = grid_spec(env, name=name, autoreset=autoreset)
        return spec, GridTokens(height=spec.view_height, width=spec.view_width)

    def _shown(self, env: gymnasium.Env[Any, Any]) -> gymnasium.Env[Any, Any]:
        from glulam_gymnasium.tokens import GridView

        return GridView(env)


class PettingZooEnvironments:
    """The family `pettingzoo`: parallel games, a row for each agent that there may be in each copy.

    PettingZoo is not imported before a task is asked for, nor is torch for its spec.
    """

    family = "pettingzoo"

    def __init__(self) -> None:
        self._specs: dict[str, tuple[EnvSpec, Numbers]] = {}

    def spec(self, task: str) -> EnvSpec:
        """Return what a policy needs to know of a task, from one game that is made once; imports no torch.

        Args:
            task: a name that is registered with PettingZoo, `MODULE:NAME` where importing MODULE registers it, or the
                path of a module with a function `parallel_env`.

        Raises:
            GlulamError: if there is no such game, it cannot be made, or its spaces are not supported.
        """
        return self._known(task)[1]

    def make(self, task: str, *, num_envs: int, seed: int, first: int = 0) -> Environment:
        """Return `num_envs` copies of a game as one world of `num_envs` x agents rows.

        Args:
            task: as for `spec`.
            num_envs: copies, at least 1.
            seed: not negative; decides every episode of every copy.
            first: the number of the first copy among those with this seed.

        Raises:
            GlulamError: as for `spec`, or if `num_envs`, `seed` or `first` is out of range.
        """
        one, spec, numbers = self._known(task)
        from glulam_gymnasium.parallel import make_games

        return make_games(one, spec=spec, num_envs=num_envs, seed=seed, first=first, numbers=numbers)

    def _known(self, task: str) -> tuple[Callable[[], ParallelEnv[Any, Any, Any]], EnvSpec, Numbers]:
        """Return what makes a game, and what is known of it."""
        from glulam_gymnasium.games import find_game, game_spec, make_game

        name, mode = parse_task(self.family, task)
        uri = f"{self.family}:{task}"
        if mode != "same_step":
            msg = (
                f"{uri}: agents of a game start together, in the step that ends it: autoreset is same_step, or left out"
            )
            raise GlulamError(msg)
        maker = find_game(name)
        if task not in self._specs:
            game = make_game(maker, name=uri)
            try:
                self._specs[task] = game_spec(game, name=uri)
            finally:
                game.close()
        return lambda: make_game(maker, name=uri), *self._specs[task]


gymnasium_environments = GymnasiumEnvironments()
"""The family `gymnasium`: `spec(task)` and `make(task, num_envs=, seed=)`."""
minigrid_environments = MiniGridEnvironments()
"""The family `minigrid`, likewise; worlds of tokens."""
pettingzoo_environments = PettingZooEnvironments()
"""The family `pettingzoo`, likewise; parallel games of several agents."""
