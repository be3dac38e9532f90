"""Memory during one call of a policy: the states before it and after it, by layer.

Legend: `B` rows, `T` steps, `D` width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from glulam._errors import GlulamError
from glulam.memory import mask_state

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tensordict import TensorDictBase
    from torch import Tensor

    from glulam.memory import MemoryLayer, State

__all__ = ["Recurrence", "state_of"]


class Recurrence:
    """Memory during one call: the states before it and after it, by layer; called with a layer and its input.

    Args:
        states: before the first step, by layer.
        reset: `[B]`, or `[B, T]` for a sequence, bool: what is still to be applied; None for a step without any.
        time: T; None for one step.
    """

    def __init__(self, states: Mapping[str, State], reset: Tensor | None = None, time: int | None = None) -> None:
        self.states, self.reset, self.time = states, reset, time
        self.after: dict[str, State] = {}

    def __call__(self, name: str, layer: MemoryLayer, x: Tensor) -> Tensor:
        """Return the output of a memory layer for a flat batch (`[B, ...]`, or `[B*T, ...]` in a sequence).

        Under autocast too a state, which outlives many steps, and what makes it are in full precision.
        """
        state, device = self.states[name], x.device.type
        if torch.is_autocast_enabled(device):
            precise = next((value.dtype for value in state.values() if value.is_floating_point()), x.dtype)
            with torch.autocast(device, enabled=False):
                return self(name, layer, x.to(precise))
        if self.time is None or self.reset is None:
            y, self.after[name] = layer.step(x, state if self.reset is None else mask_state(state, self.reset))
            return y
        if x.shape[0] != self.reset.numel():
            msg = f"layer {name!r} is given {x.shape[0]} rows, not the {list(self.reset.shape)} of its segments"
            raise GlulamError(msg)
        y, self.after[name] = layer.sequence(x.view(-1, self.time, *x.shape[1:]), self.reset, state)  # (B, T, D)
        return y.flatten(0, 1)


def state_of(name: str, layer: MemoryLayer, state: TensorDictBase | None, rows: int) -> State:
    """Return the state of a layer before `rows` rows play on: as given, or zeros.

    Raises:
        GlulamError: if a tensor of it is missing or of another shape, naming the layer and the tensor.
    """
    zero = layer.initial_state(rows)
    if state is None:
        return zero
    given = {key: state.get((name, key), None) for key in zero}
    for key, value in given.items():
        if value is None or value.shape != zero[key].shape:
            found = "is missing" if value is None else f"has shape {list(value.shape)}"
            msg = f"the state of layer {name!r}: {key!r} {found}, expected {list(zero[key].shape)}"
            raise GlulamError(msg)
    return given
