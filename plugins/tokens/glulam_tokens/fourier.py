"""Token features: embedding of the name, Fourier features of the position, value.

Legend: `B` rows, `N` tokens, `E` width of the embedding, `F` frequencies.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from glulam_tokens._fourier_positions import FourierPositions

__all__ = ["FourierTokens"]


class FourierTokens(FourierPositions):
    """One row a token: embedding, cos and sin of the row coordinate, cos and sin of the column's, value.

    Args:
        attr_embed_dim: E; one row for each of 256 names, the last one (padding) zero.
        num_freqs: F.
        embedding_std: scale of the initial embeddings.
    """

    row_wise: ClassVar[bool] = True

    def __init__(self, attr_embed_dim: int, num_freqs: int, *, embedding_std: float = 1.0) -> None:
        super().__init__(attr_embed_dim, num_freqs, embedding_std)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return token features, `[B, N, E + 4 F + 1]`.

        Args:
            tokens: `[B, N, 3]` float: location byte, row of the name, value.

        Raises:
            GlulamError: before `initialize_to_environment`: the size of the view is not known.
        """
        return torch.cat(self.look_up(tokens), dim=-1)
