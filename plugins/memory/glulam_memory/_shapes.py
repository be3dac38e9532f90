"""Guards: what a memory layer is given has the shapes that it declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from glulam import GlulamError

if TYPE_CHECKING:
    from torch import Tensor

    from glulam import State

__all__ = ["check_shapes"]


class _Layer(Protocol):
    kind: ClassVar[str]
    in_dim: int
    state_shapes: dict[str, tuple[int, ...]]  # of one row


def check_shapes(layer: _Layer, x: Tensor, state: State, *, rank: int, reset: Tensor | None = None) -> None:
    """Check the input, the resets and the state of one call against what a layer says of itself.

    Raises:
        GlulamError: naming the kind of layer, what was found and what was expected.
    """
    if x.dim() != rank or x.shape[-1] != layer.in_dim:
        msg = f"{layer.kind}: the input has shape {list(x.shape)}, expected rank {rank} and width {layer.in_dim}"
        raise GlulamError(msg)
    if reset is not None and reset.shape != x.shape[:2]:
        msg = f"{layer.kind}: reset has shape {list(reset.shape)}, the input {list(x.shape)}"
        raise GlulamError(msg)
    for name, shape in layer.state_shapes.items():
        expected = [x.shape[0], *shape]
        if list(state[name].shape) != expected:
            msg = f"{layer.kind}: state {name!r} has shape {list(state[name].shape)}, expected {expected}"
            raise GlulamError(msg)
