"""Each cell of a grid, embedded.

Legend: `B` rows, `C` channels, `H` x `W` cells, `D` output channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from glulam import GlulamError

__all__ = ["CellEmbedding"]


class CellEmbedding(nn.Module):
    """One linear map of each cell's channels, without bias.

    A channel has an embedding, and a cell is the sum of those of its channels, each times the number there: an empty
    cell stays zero.

    Args:
        in_channels: C.
        out_dim: D.
        std: standard deviation of the embeddings at first.
    """

    def __init__(self, in_channels: int, out_dim: int, *, std: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(in_channels, out_dim))  # (C, D): one embedding a channel
        nn.init.normal_(self.weight, std=std)

    def forward(self, x: Tensor) -> Tensor:
        """Return `[B, D, H, W]`, channels last in memory.

        Args:
            x: `[B, C, H, W]`; channels last in memory it is not copied.

        Raises:
            GlulamError: if the input has another number of channels than the module was built for.
        """
        if x.shape[1] != len(self.weight):
            msg = f"CellEmbedding was built for {len(self.weight)} channels, got {x.shape[1]}"
            raise GlulamError(msg)
        cells = linear(x.permute(0, 2, 3, 1), self.weight.t())  # (B, H, W, D)
        return cells.permute(0, 3, 1, 2)  # (B, D, H, W)
