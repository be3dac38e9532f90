"""Token features: embedding of the name, learned embedding of the position, value.

Legend: `B` rows, `N` tokens, `E` width of a name's embedding, `P` width of a position's.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from glulam_tokens._tokenizer import NO_PLACE, Tokenizer, learned_rows, offsets

__all__ = ["LearnedTokens"]

SIDE = 32  # offsets from -16 to 15, as rows and columns of a packed location are 4 bits each
# Offset (-16, -16): no view has it, since the agent stands at cell 8 of 16 at most.
NOWHERE = 0


class LearnedTokens(Tokenizer):
    """One row a token: embedding of the name, learned embedding of the position, value.

    A position is the offset from the agent, the centre of the view, so that a view of another size keeps what was
    learned of each offset. A token that belongs to no place has zeros.

    Args:
        attr_embed_dim: E; one row for each of 256 names, the last one (padding) zero.
        position_dim: P; one row for each of 32 x 32 offsets.
        embedding_std: scale of the names' initial embeddings.
        position_std: scale of the positions' initial embeddings.
    """

    row_wise: ClassVar[bool] = True

    def __init__(
        self, attr_embed_dim: int, position_dim: int, *, embedding_std: float = 1.0, position_std: float = 1.0
    ) -> None:
        super().__init__(attr_embed_dim, embedding_std)
        self.position = learned_rows(SIDE * SIDE, position_dim, position_std, zero_row=NOWHERE)

    def position_table(self, height: int, width: int) -> Tensor:
        """Return the row of each location byte in the table of offsets, `[256, 1]` int64."""
        row, column = (offsets(height, width) + SIDE // 2).unbind(-1)
        table = row * SIDE + column
        table[list(NO_PLACE)] = NOWHERE
        return table[:, None]

    def forward(self, tokens: Tensor) -> Tensor:
        """Return token features, `[B, N, E + P + 1]`.

        Args:
            tokens: `[B, N, 3]` float: location byte, row of the name, value.

        Raises:
            GlulamError: before `initialize_to_environment`: the size of the view is not known.
        """
        name, index, value = self.look_up(tokens)
        return torch.cat((name, self.position(index.squeeze(-1)), value), dim=-1)  # (B, N, E + P + 1)
