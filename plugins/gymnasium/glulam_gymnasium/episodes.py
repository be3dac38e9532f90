"""One copy of an environment, episode after episode. No torch here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np

from glulam import GlulamError
from glulam_gymnasium.spaces import MASK

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

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
        mask: where to write which actions are allowed at present; all are where an info does not say. None: nowhere.

    Attributes:
        final_picture: the end of the last episode, where the copy draws pictures.
    """

    final_picture: Any = None

    def __init__(
        self, one: Callable[[], gymnasium.Env[Any, Any]], seed: int, copy: int, mask: NDArray[np.bool_] | None
    ) -> None:
        super().__init__(one())
        self._seed, self._copy, self._next = seed, copy, 0
        self._mask = mask

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:  # noqa: ARG002  # Gymnasium's signature; the vector passes neither
        """Start the next episode."""
        observation, info = self.env.reset(seed=episode_seed(self._seed, self._copy, self._next))
        self._next += 1
        self._read_mask(info)
        return observation, {}

    def step(self, action: object) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Apply an action."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        if terminated or truncated:
            observation = np.array(observation)  # the next episode may be written over it
            if self.render_mode is not None:
                self.final_picture = self.env.render()
        self._read_mask(info)
        return observation, reward, terminated, truncated, {}

    def _read_mask(self, info: dict[str, Any]) -> None:
        if self._mask is None:
            return
        allowed = info.get(MASK)
        if allowed is not None and np.shape(allowed) != self._mask.shape:
            found = f"info[{MASK!r}] has shape {list(np.shape(allowed))} now, and had {list(self._mask.shape)} at first"
            msg = f"{self.unwrapped}: {found}; tell its authors"
            raise GlulamError(msg)
        self._mask[:] = True if allowed is None else allowed
