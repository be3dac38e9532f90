"""What layers that combine keys number by number ask of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glulam import GlulamError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["one_shape"]


def one_shape(layer: str, first: Tensor, others: tuple[Tensor, ...]) -> None:
    """Refuse tensors of several shapes; broadcasting would hide a mistake."""
    for other in others:
        if other.shape != first.shape:
            msg = f"{layer}: shapes {list(first.shape)} and {list(other.shape)} differ"
            raise GlulamError(msg)
