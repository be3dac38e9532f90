"""Joining keys."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from glulam import GlulamError

__all__ = ["Concat"]


class Concat(nn.Module):
    """Joins tensors along their last dim.

    Args:
        in_dims: the width of each.
    """

    def __init__(self, in_dims: tuple[int, ...]) -> None:
        super().__init__()
        self.in_dims = in_dims

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return `[..., sum(in_dims)]` from one `[..., in_dim]` a key.

        Raises:
            GlulamError: if a width is not the declared one.
        """
        found = tuple(x.shape[-1] for x in inputs)
        if found != self.in_dims:
            msg = f"concat: the inputs have widths {list(found)}, expected {list(self.in_dims)}"
            raise GlulamError(msg)
        return torch.cat(inputs, dim=-1)
