"""The tensors that a world shows, and the calls that it refuses: what all worlds of this plugin have in common.

Legend: `B` rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tensordict import TensorDict

from glulam import GlulamError
from glulam_gymnasium.observations import MASK

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from glulam import EnvSpec

__all__ = ["Rows"]


class Rows:
    """B rows of a world, as `spec` describes them.

    **All tensors are reused**: what a call returns is valid until the next one; copy what you keep. `env_id` never
    changes. The TensorDict is new at each call, so a policy may add keys to it.

    `last_actions` and `last_rewards` belong to the episode of `env_obs`: zeros with its first observation, where
    `rewards` may be those of the episode before. Actions are shown as they were given, before any clipping.
    `action_mask` (where `spec` names it) says what `env_obs` allows.

    Args:
        spec: of the world.
        rows: B.
    """

    def __init__(self, spec: EnvSpec, rows: int) -> None:
        self.spec = spec
        self._started = self._closed = False
        self._outputs = {key: _zeros(spec, key, rows) for key in spec.inputs}
        self._outputs["env_id"] = torch.arange(rows, dtype=torch.int64)
        self._masks = self._outputs[MASK].numpy() if MASK in self._outputs else None
        self._rewards, self._dones, self._truncateds, self._last_actions, self._last_rewards = self._zeroed = [
            self._outputs[key].numpy() for key in ("rewards", "dones", "truncateds", "last_actions", "last_rewards")
        ]
        self._use_observations(self._outputs["env_obs"])

    def _use_observations(self, env_obs: Tensor) -> None:
        """Show observations in a tensor; final ones in another where `env_obs` is by then of the next episode."""
        final_obs = torch.zeros_like(env_obs) if self.spec.autoreset == "same_step" else env_obs
        self._outputs |= {"env_obs": env_obs, "final_obs": final_obs}
        self._env_obs, self._final_obs = env_obs.numpy(), final_obs.numpy()

    def _check_open(self) -> None:
        if self._closed:
            msg = f"{self.spec.name}: this environment is closed; make another"
            raise GlulamError(msg)

    def _check_started(self, call: str) -> None:
        self._check_open()
        if not self._started:
            msg = f"{self.spec.name}: call reset() before {call}()"
            raise GlulamError(msg)

    def _check_finite(self, what: str, values: NDArray[Any], rows: NDArray[Any] | None = None) -> None:
        """Refuse numbers `[B, ...]` that would spoil a network for good; `rows` says which rows they are."""
        if values.dtype.kind != "f" or np.isfinite(values).all():
            return
        place = tuple(map(int, np.argwhere(~np.isfinite(values))[0]))
        row = place[0] if rows is None else int(rows[place[0]])
        entry = f" at {list(place[1:])}" if place[1:] else ""
        msg = (
            f"{self.spec.name}: {what} of row {row} is {values[place]}{entry}; observations and rewards are finite "
            "numbers: mend the environment, or replace such numbers in a wrapper"
        )
        raise GlulamError(msg)

    def _remember(self, actions: NDArray[Any], begun: NDArray[np.bool_]) -> None:
        """Show actions and their rewards as the last ones, but for rows where an episode has just begun."""
        np.copyto(self._last_actions, actions, casting="same_kind")
        np.copyto(self._last_rewards, self._rewards)
        self._last_actions[begun] = 0
        self._last_rewards[begun] = 0

    def _output(self) -> TensorDict:
        return TensorDict(self._outputs, batch_size=[len(self._dones)])


def _zeros(spec: EnvSpec, key: str, rows: int) -> Tensor:
    """Return what stands under a key before the first episode."""
    dims, dtype = spec.inputs[key]
    shape = [spec.dim(dim.removeprefix("env.")) for dim in dims.split()]
    return torch.zeros((rows, *shape), dtype=getattr(torch, dtype))
