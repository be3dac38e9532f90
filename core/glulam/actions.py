"""What an adapter asks of the actions that a policy gives it.

Legend: `B` rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from glulam._errors import GlulamError

if TYPE_CHECKING:
    from torch import Tensor

    from glulam.environment import EnvSpec
    from glulam.layouts import ActionSpec

__all__ = ["checked_actions"]

DTYPES = {"int64": (torch.int64, torch.int32), "float32": (torch.float32, torch.float64)}
ONE = {
    "discrete": "one a row",
    "multi-discrete": "an option of each choice a row",
    "continuous": "a number of each name a row",
}


def checked_actions(actions: Tensor, spec: EnvSpec, rows: int) -> Tensor:
    """Return actions as they are, on the CPU, if the environment takes such ones.

    Numbers beyond their bounds pass, since a policy's distribution knows of no bounds: the adapter clips them.

    Args:
        actions: `[B]`, an index into the names; `[B, choices]`, an option of each choice; or `[B, names]`, finite
            numbers; whole ones int64 (or int32), others float32 (or float64), on any device.
        spec: of the environment that is to be stepped.
        rows: B.

    Raises:
        GlulamError: if their shape, dtype or one of the values is wrong, naming the first.
    """
    taken = spec.actions
    shape = (rows, *taken.shape)
    if actions.shape != shape or actions.dtype not in DTYPES[taken.dtype]:
        msg = (
            f"{spec.name}: actions are {actions.dtype} {list(actions.shape)}; "
            f"they must be torch.{taken.dtype} {list(shape)}, {ONE[taken.kind]}"
        )
        raise GlulamError(msg)
    values = actions.detach().cpu()
    if not shape[1:]:
        numbers = values.numpy()  # at every step of a fast world: NumPy's two calls cost a third of torch's in `_wrong`
        if numbers.min() >= 0 and numbers.max() < len(taken.names):
            return values
    wrong = _wrong(values, taken)
    if wrong.any():
        place = tuple(wrong.nonzero()[0].tolist())
        msg = f"{spec.name}: {_told(taken, values[place].item(), *place)}"
        raise GlulamError(msg)
    return values


def _wrong(values: Tensor, actions: ActionSpec) -> Tensor:
    """Return which values are not among those that there are, in their shape."""
    if actions.kind == "continuous":
        return ~values.isfinite()
    sizes = torch.tensor(actions.choices or len(actions.names))
    return (values < 0) | (values >= sizes)


def _told(actions: ActionSpec, value: float, row: int, column: int = 0) -> str:
    """Return what is wrong with a value."""
    if actions.kind == "continuous":
        return f"{actions.names[column]!r} is {value} in row {row}; actions are finite numbers"
    if actions.kind == "multi-discrete":
        most = actions.choices[column] - 1
        return f"option {value} of choice {column} in row {row}; its options go from 0 to {most}"
    return f"action {value} in row {row}; actions go from 0 to {len(actions.names) - 1}"
