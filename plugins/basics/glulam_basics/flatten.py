"""A set as one vector.

Legend: `B` rows, `N` vectors, `D` width.
"""

from __future__ import annotations

from torch import Tensor, nn

from glulam import GlulamError

__all__ = ["Flatten"]


class Flatten(nn.Module):
    """The vectors of a set one after the other.

    Args:
        num_vectors: N.
        in_dim: D.
    """

    def __init__(self, num_vectors: int, in_dim: int) -> None:
        super().__init__()
        self.in_shape = (num_vectors, in_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return `[B, N * D]` from `[B, N, D]`.

        Raises:
            GlulamError: if the set has another size than the module was built for.
        """
        if x.shape[1:] != self.in_shape:
            msg = f"flatten: was built for sets of {list(self.in_shape)}, got {list(x.shape[1:])}"
            raise GlulamError(msg)
        return x.flatten(1)  # (B, N * D)
