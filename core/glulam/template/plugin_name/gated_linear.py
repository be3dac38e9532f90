"""A linear map behind a gate.

Legend: `...` rows and whatever dims follow them, `D` width of the input, `E` width of the output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["GatedLinear"]


class GatedLinear(nn.Module):
    """Two linear maps of the last dim: the values, and the gate that lets them through.

    Args:
        in_dim: width D of the input.
        out_dim: width E of the output.
    """

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.value = nn.Linear(in_dim, out_dim)
        self.gate = nn.Linear(in_dim, out_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return `[..., E]`.

        Args:
            x: `[..., D]`.
        """
        value: Tensor = self.value(x)  # (..., E)
        gate: Tensor = self.gate(x).sigmoid()  # (..., E), between 0 and 1
        return value * gate  # (..., E)
