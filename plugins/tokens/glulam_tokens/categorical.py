"""Token features: embedding of the name, embedding of the value, Fourier features of the position.

Legend: `B` rows, `N` tokens, `E` width of a name's embedding, `V` width of a value's, `F` frequencies.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from glulam_tokens._fourier_positions import FourierPositions
from glulam_tokens._tokenizer import PADDING_NAME, learned_rows

__all__ = ["CategoricalTokens"]

VALUES = 256


class CategoricalTokens(FourierPositions):
    """One row a token: embedding of the name, embedding of the value, Fourier features of the position.

    A value is the byte of the observation (`token_shaper` with `normalize: false`), rounded to 0 .. 255.

    Args:
        attr_embed_dim: E; one row for each of 256 names, the last one (padding) zero.
        value_embed_dim: V; one row for each of 256 values, and zero for padding.
        num_freqs: F.
        embedding_std: scale of the initial embeddings, of names and of values.
    """

    row_wise: ClassVar[bool] = True

    def __init__(
        self, attr_embed_dim: int, value_embed_dim: int, num_freqs: int, *, embedding_std: float = 1.0
    ) -> None:
        super().__init__(attr_embed_dim, num_freqs, embedding_std)
        self.values = learned_rows(VALUES, value_embed_dim, embedding_std)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return token features, `[B, N, E + V + 4 F]`.

        Args:
            tokens: `[B, N, 3]` float: location byte, row of the name, value as a byte.

        Raises:
            GlulamError: before `initialize_to_environment`: the size of the view is not known.
        """
        name, position, value = self.look_up(tokens)
        embedded = self.values(value.squeeze(-1).round().clamp(0, VALUES - 1).int())  # (B, N, V)
        # By the name and not by a row of its own: each of the 256 values means something.
        embedded = embedded.masked_fill(tokens[..., 1:2] == PADDING_NAME, 0)
        return torch.cat((name, embedded, position), dim=-1)  # (B, N, E + V + 4F)
