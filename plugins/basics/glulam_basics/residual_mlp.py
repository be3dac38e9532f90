"""Residual blocks of the last dim.

Legend: `D` width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from glulam_basics.activation import activation, init_gain
from glulam_basics.linear import Linear

if TYPE_CHECKING:
    from torch import Tensor

    from glulam_basics.configs import ActivationName

__all__ = ["ResidualMlp"]


class ResidualMlp(nn.Module):
    """Pre-norm blocks x + W2 f(W1 LayerNorm(x)), then a linear map where another width is asked for.

    Weights start orthogonal, those that write to the residual with gain 1 / sqrt(blocks): together all blocks add as
    much as one would, however many there are.

    Args:
        in_dim: D.
        hidden_size: width between the two maps of a block.
        name: the activation there.
        num_blocks: blocks, one after the other.
        out_dim: width of the output; None for D, without a map.
    """

    def __init__(
        self, in_dim: int, hidden_size: int, name: ActivationName, *, num_blocks: int, out_dim: int | None
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(in_dim),
                Linear(in_dim, hidden_size, init_gain=init_gain(name)),
                activation(name),
                Linear(hidden_size, in_dim, init_gain=num_blocks**-0.5),
            )
            for _ in range(num_blocks)
        )
        self.out = nn.Identity() if out_dim is None else Linear(in_dim, out_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return `[..., out_dim]` from `[..., D]`."""
        for block in self.blocks:
            x = x + block(x)  # (..., D)
        out: Tensor = self.out(x)
        return out
