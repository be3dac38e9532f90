"""Token features: embedding of the name, rotated by the position, and value.

Legend: `B` rows, `N` tokens, `E` width of the embedding, `F` = E / 4 frequencies.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from glulam_tokens._tokenizer import NO_PLACE, Tokenizer, offsets

__all__ = ["RopeTokens"]


class RopeTokens(Tokenizer):
    """One row a token: embedding of the name, rotated by the position, and value.

    Rotary positions (Su et al. 2021, RoFormer) in their axial form: the numbers of an embedding are taken in pairs,
    and pair k of the first half is turned by base^(-k/F) times the row's offset from the agent, pair k of the second
    half by as much times the column's. So the inner product of two tokens' features depends on where one is seen from
    the other, not on where both are. A token that belongs to no place is not turned.

    Args:
        attr_embed_dim: E, a multiple of 4; one row for each of 256 names, the last one (padding) zero.
        base: the slowest pair turns nearly `base` times more slowly than the fastest, which turns 1 radian a cell.
        embedding_std: scale of the initial embeddings.
    """

    row_wise: ClassVar[bool] = True

    def __init__(self, attr_embed_dim: int, *, base: float = 100.0, embedding_std: float = 1.0) -> None:
        super().__init__(attr_embed_dim, embedding_std)
        self.base = base

    def position_table(self, height: int, width: int) -> Tensor:
        """Return the cosine of each pair's angle, then the sine, `[256, E]` float64."""
        F = self.embedding.embedding_dim // 4
        speeds = self.base ** (-torch.arange(F, dtype=torch.float64) / F)
        angles = (offsets(height, width)[..., None] * speeds).flatten(1)  # (256, 2, F) -> (256, 2F)
        angles[list(NO_PLACE)] = 0
        return torch.cat((angles.cos(), angles.sin()), dim=-1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return token features, `[B, N, E + 1]`.

        Args:
            tokens: `[B, N, 3]` float: location byte, row of the name, value.

        Raises:
            GlulamError: before `initialize_to_environment`: the size of the view is not known.
        """
        name, position, value = self.look_up(tokens)
        cos, sin = position.chunk(2, dim=-1)  # (B, N, 2F)
        x, y = name[..., ::2], name[..., 1::2]  # (B, N, 2F)
        turned = torch.stack((x * cos - y * sin, x * sin + y * cos), dim=-1).flatten(-2)  # (B, N, E)
        return torch.cat((turned, value), dim=-1)  # (B, N, E + 1)
