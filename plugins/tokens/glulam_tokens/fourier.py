"""Token features: embedding of the name, Fourier features of the position, value.

Legend: `B` rows, `N` tokens, `E` width of the embedding, `F` frequencies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from glulam import GlulamError

if TYPE_CHECKING:
    from glulam import EnvSpec

__all__ = ["FourierTokens", "position_table"]

ROWS = 256
PADDING_ROW = 255
NO_PLACE = (254, 255)  # location bytes of global tokens and of padding


class FourierTokens(nn.Module):
    """One row a token: embedding, cos and sin of the row coordinate, cos and sin of the column's, value.

    Coordinates are scaled to [-1, 1] by the view and multiplied by 2^0 .. 2^(F-1), no pi; a location outside
    the view goes on beyond [-1, 1]. The features of all 256 location bytes are computed once for each view,
    so that a forward pass is two look-ups.

    Args:
        attr_embed_dim: E; one row for each of 256 names, the last one (padding) zero.
        num_freqs: F.
        embedding_std: scale of the initial embeddings.
    """

    positions: Tensor

    def __init__(self, attr_embed_dim: int, num_freqs: int, *, embedding_std: float = 1.0) -> None:
        super().__init__()
        self.num_freqs = num_freqs
        self.embedding = nn.Embedding(ROWS, attr_embed_dim, padding_idx=PADDING_ROW)
        nn.init.normal_(self.embedding.weight, std=embedding_std)
        with torch.no_grad():
            self.embedding.weight[PADDING_ROW] = 0
        self.register_buffer("positions", torch.empty(0, 4 * num_freqs), persistent=False)

    def initialize_to_environment(self, env: EnvSpec, device: torch.device | str = "cpu") -> None:
        """Scale coordinates to the view of a world."""
        table = position_table(env.view_height, env.view_width, self.num_freqs)
        self.positions = table.to(device=device, dtype=self.embedding.weight.dtype)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return token features, `[B, N, E + 4 F + 1]`.

        Args:
            tokens: `[B, N, 3]` float: location byte, row of the name, value.

        Raises:
            GlulamError: before `initialize_to_environment`: the size of the view is not known.
        """
        if self.positions.shape[0] == 0:
            msg = "FourierTokens does not know the view; call initialize_to_environment(env, device) first"
            raise GlulamError(msg)
        location, row = tokens[..., 0].int(), tokens[..., 1].int()  # (B, N)
        position = nn.functional.embedding(location, self.positions)  # (B, N, 4F)
        return torch.cat((self.embedding(row), position, tokens[..., 2:]), dim=-1)  # (B, N, E + 4F + 1)


def position_table(height: int, width: int, num_freqs: int) -> Tensor:
    """Return the Fourier features of all location bytes, `[256, 4 F]` float64; zeros for what is no place."""
    locations = torch.arange(ROWS)
    scales = 2.0 ** torch.arange(num_freqs, dtype=torch.float64)
    blocks: list[Tensor] = []
    for coordinate, size in ((locations >> 4, height), (locations & 15, width)):
        # A view one cell across has no extent: its only coordinate is in the middle.
        scaled = coordinate.double() / (size - 1) * 2 - 1 if size > 1 else coordinate.double()
        angles = scaled[:, None] * scales  # (256, F)
        blocks += [angles.cos(), angles.sin()]
    table = torch.cat(blocks, dim=-1)
    table[list(NO_PLACE)] = 0
    return table
