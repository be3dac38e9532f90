"""Copies of a PettingZoo game as one world, a row for each agent that there may be.

Legend: `B` = copies x agents, one row each; `A` agents of a copy.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from gymnasium.vector.utils import concatenate, create_empty_array

from glulam import GlulamError, check_copies, checked_actions
from glulam_gymnasium.actions import is_mask, own_actions
from glulam_gymnasium.episodes import episode_seed
from glulam_gymnasium.observations import MASK
from glulam_gymnasium.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from pettingzoo import ParallelEnv
    from tensordict import TensorDict
    from torch import Tensor

    from glulam import EnvSpec
    from glulam_gymnasium.observations import Numbers

__all__ = ["ParallelGames", "make_games"]


def make_games(  # noqa: PLR0913  # each is an independent, named choice
    one: Callable[[], ParallelEnv[Any, Any, Any]],
    *,
    spec: EnvSpec,
    num_envs: int,
    seed: int,
    first: int = 0,
    numbers: Numbers,
) -> ParallelGames:
    """Return `num_envs` copies of what `one` makes as one world.

    Args:
        one: makes a game.
        spec: as `game_spec` gives it.
        num_envs: copies, at least 1.
        seed: not negative.
        first: the number of the first copy among those with this seed; not negative.
        numbers: how observations are shown.

    Raises:
        GlulamError: if `num_envs`, `seed` or `first` is out of range.
    """
    check_copies(spec.name, num_envs=num_envs, seed=seed, first=first)
    return ParallelGames([one() for _ in range(num_envs)], spec, numbers, seed, first)


class ParallelGames(Rows):
    """The `Environment` protocol of glulam over copies of a PettingZoo game; see `Rows` for its tensors.

    Row e x A + i belongs to agent i of `possible_agents` in copy e, always. `active` says whose agents are in the game.
    An agent that ends has its flag, its reward and `final_obs` in that step; then its row waits, with zeros for an
    observation, all actions allowed, and its flag kept up, until the agent's next episode begins: mostly in the step
    in which the last agent of its copy ends, since a copy without agents starts anew at once (`same_step`).
    `agent_id` is i.

    Episode k of copy e depends on (seed, first + e, k) and the actions alone, whatever the number of copies is.

    Args:
        games: the copies.
        spec: of the world.
        numbers: how observations are shown.
        seed: of the world.
        first: the number of the first copy among those with this seed.
    """

    def __init__(
        self, games: list[ParallelEnv[Any, Any, Any]], spec: EnvSpec, numbers: Numbers, seed: int, first: int = 0
    ) -> None:
        super().__init__(spec, len(games) * spec.num_agents)
        self._games, self._numbers, self._seed, self._first = games, numbers, seed, first
        self._episodes = [0] * len(games)
        agent = games[0].possible_agents[0]
        self._space, self._actions = games[0].observation_space(agent), games[0].action_space(agent)
        self._rows = [
            {agent: copy * spec.num_agents + number for number, agent in enumerate(game.possible_agents)}
            for copy, game in enumerate(games)
        ]
        self._outputs["agent_id"] = torch.arange(spec.num_agents).repeat(len(games))
        self._active = self._outputs["active"].numpy()
        self._clear()

    def reset(self) -> TensorDict:
        """Start the next episode of every copy and return a TensorDict `[B]`.

        Rewards are zero, and so are the flags of agents that are in the game.

        Raises:
            GlulamError: if the world is closed, or an observation is not finite.
        """
        self._check_open()
        self._started = True
        self._clear()
        for copy in range(len(self._games)):
            self._begin(copy)
        for output in self._zeroed:
            output.fill(0)
        self._dones[~self._active] = True
        self._show()
        return self._output()

    def step(self, actions: Tensor) -> TensorDict:
        """Apply one action a row and return a TensorDict `[B]`; agents that are not in the game do nothing.

        Args:
            actions: as `glulam.checked_actions` takes them; numbers beyond their bounds are clipped to them.

        Raises:
            GlulamError: if the actions have another shape or type, are out of range or not finite, or `reset` was not
                called: nothing is stepped then. Or if a game breaks PettingZoo's rules, or an observation or a reward
                is not finite.
        """
        self._check_started("step")
        given = checked_actions(actions, self.spec, len(self._dones)).numpy()
        own = own_actions(self._actions, given)
        before = self._active.copy()
        self._clear()
        self._rewards.fill(0)
        for copy in range(len(self._games)):
            self._play(copy, own)
        self._check_finite("the reward", self._rewards)
        self._remember(given, ~before | self._dones | self._truncateds)
        if self._last:
            self._write(self._last, self._final_obs, "the final observation")
        self._show()
        return self._output()

    def close(self) -> None:
        """Close every copy; `reset` and `step` raise from now on."""
        if not self._closed:
            for game in self._games:
                game.close()
        self._closed = True

    def _clear(self) -> None:
        """Forget who is in the game, what they observed, and what those observed last who have ended: by row."""
        self._active[:] = False
        self._seen: dict[int, Any] = {}
        self._infos: dict[int, dict[str, Any]] = {}
        self._last: dict[int, Any] = {}

    def _play(self, copy: int, own: NDArray[Any]) -> None:
        """Step a copy, and start it anew where nobody is left."""
        game, rows = self._games[copy], self._rows[copy]
        before = list(game.agents)
        observations, rewards, dones, cuts, infos = game.step({agent: own[rows[agent]] for agent in before})
        for agent in before:
            row = rows[agent]
            self._rewards[row] = self._of(agent, "reward", rewards)
            done, cut = bool(self._of(agent, "termination", dones)), bool(self._of(agent, "truncation", cuts))
            self._dones[row], self._truncateds[row] = done, cut and not done
            if (done or cut) == (agent in game.agents):
                said = "ended and is still" if done or cut else "did not end and is no longer"
                msg = f"{self.spec.name}: agent {agent!r} {said} among its agents; tell its authors"
                raise GlulamError(msg)
            if done or cut:
                # A copy, since the next episode may be written over it.
                self._last[row] = deepcopy(self._of(agent, "observation", observations))
        if game.agents:
            self._place(copy, observations, infos)
        else:
            self._begin(copy)

    def _begin(self, copy: int) -> None:
        """Start the next episode of a copy."""
        game = self._games[copy]
        observations, infos = game.reset(seed=episode_seed(self._seed, self._first + copy, self._episodes[copy]))
        self._episodes[copy] += 1
        if not game.agents:
            msg = f"{self.spec.name}: its reset() left a game without agents; tell its authors"
            raise GlulamError(msg)
        self._place(copy, observations, infos)

    def _place(self, copy: int, observations: dict[Any, Any], infos: dict[Any, Any]) -> None:
        """Note who is in a copy, and what each observes and is told."""
        for agent in self._games[copy].agents:
            row = self._rows[copy].get(agent)
            if row is None:
                known = ", ".join(map(repr, self._rows[copy]))
                msg = f"{self.spec.name}: agent {agent!r} is none of its possible_agents ({known}); tell its authors"
                raise GlulamError(msg)
            self._active[row] = True
            self._seen[row], self._infos[row] = self._of(agent, "observation", observations), infos.get(agent, {})

    def _of(self, agent: Any, what: str, told: dict[Any, Any]) -> Any:  # noqa: ANN401  # whatever a game tells of whomever
        if agent not in told:
            msg = f"{self.spec.name}: it told no {what} of agent {agent!r}; tell its authors"
            raise GlulamError(msg)
        return told[agent]

    def _show(self) -> None:
        """Show observations and masks of those who are in the game, and nothing of the others."""
        stacked = self._write(self._seen, self._env_obs, "the observation")
        self._env_obs[~self._active] = 0
        if self._masks is None:
            return
        self._masks[:] = True
        if self._numbers.masked:
            self._masks[list(self._seen)] = stacked[MASK]
            return
        for row, info in self._infos.items():
            mask = info.get(MASK)
            if mask is None:
                continue
            if not is_mask(mask, self.spec.actions):
                msg = f"{self.spec.name}: the mask of row {row} has shape {list(np.shape(mask))}; tell its authors"
                raise GlulamError(msg)
            self._masks[row] = mask

    def _write(self, observations: dict[int, Any], out: NDArray[Any], what: str) -> Any:  # noqa: ANN401  # arrays, or dicts of them
        """Show observations in their rows, and return them stacked."""
        rows = np.array(list(observations))
        empty: Any = create_empty_array(self._space, len(rows))
        stacked = concatenate(self._space, list(observations.values()), empty)
        shown = np.empty((len(rows), *out.shape[1:]), out.dtype)
        self._numbers(stacked, shown)
        self._check_finite(what, shown, rows)
        out[rows] = shown
        return stacked
