"""One copy of an environment, episode after episode. No torch here."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np

from glulam import GlulamError
from glulam_gymnasium.observations import MASK

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Episodes", "episode_seed"]

SEED_MASK = 0x7FFF_FFFF  # some environments take C ints


def episode_seed(seed: int, copy: int, episode: int) -> int:
    """Return the seed of one episode: a hash, so neighbouring seeds share no episodes."""
    return int(np.random.SeedSequence((seed, copy, episode)).generate_state(1)[0]) & SEED_MASK


class Episodes(gymnasium.Wrapper[Any, Any, Any, Any]):
    """One copy: it seeds each of its episodes, and keeps Gymnasium's infos to itself but for a mask.

    Args:
        one: makes the copy.
        seed: of the world.
        copy: which one of the world's it is.
        masks: numbers of a mask of actions, where infos may hold one; None: they are not read.

    Attributes:
        final_picture: the end of the last episode, where the copy draws pictures.
    """

    final_picture: Any = None

    def __init__(self, one: Callable[[], gymnasium.Env[Any, Any]], seed: int, copy: int, masks: int | None) -> None:
        super().__init__(one())
        self._seed, self._copy, self._next = seed, copy, 0
        self._masks = masks

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start the next episode, from a seed of its own; a given one is taken, and is the world's from now on.

        Raises:
            GlulamError: if the action mask has another shape than at first.
        """
        if seed is None:
            seed = episode_seed(self._seed, self._copy, self._next)
        else:
            self._seed, self._next = seed, 0
        self._next += 1
        observation, info = self.env.reset(seed=seed, options=options or None)
        return observation, self._mask(info)

    def step(self, action: object) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Apply an action.

        Raises:
            GlulamError: as for `reset`.
        """
        observation, reward, terminated, truncated, info = self.env.step(action)
        if terminated or truncated:
            observation = deepcopy(observation)  # the next episode may be written over it
            if self.render_mode is not None:
                self.final_picture = self.env.render()
        return observation, reward, terminated, truncated, self._mask(info)

    def _mask(self, info: dict[str, Any]) -> dict[str, Any]:
        """Return the mask among what an environment tells, if there is one."""
        if self._masks is None or info.get(MASK) is None:
            return {}
        allowed = np.asarray(info[MASK], bool)
        if allowed.shape != (self._masks,):
            found = f"info[{MASK!r}] has shape {list(allowed.shape)} now, and had {[self._masks]} at first"
            msg = f"{self.unwrapped}: {found}; tell its authors"
            raise GlulamError(msg)
        return {MASK: allowed}
