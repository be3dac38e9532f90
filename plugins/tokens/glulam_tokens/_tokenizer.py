"""What the tokenisers share: a learned row a name, and a table by location byte that is made for each view.

Legend: `B` rows, `N` tokens, `E` width of a name's embedding, `P` width of the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from glulam import GlulamError

if TYPE_CHECKING:
    from glulam import EnvSpec

__all__ = ["LOCATIONS", "NO_PLACE", "Tokenizer", "learned_rows", "offsets"]

LOCATIONS = 256  # location bytes
NO_PLACE = (254, 255)  # of them those of global tokens and of padding
NAMES = 256
PADDING_NAME = 255


class Tokenizer(nn.Module):
    """The base of tokenisers.

    The table is a non-persistent buffer that `position_table` makes from scratch for each view, so that a forward
    pass is a few look-ups.

    Args:
        attr_embed_dim: E; one row for each of 256 names, the last one (padding) zero.
        embedding_std: scale of the initial embeddings.
    """

    positions: Tensor

    def __init__(self, attr_embed_dim: int, embedding_std: float) -> None:
        super().__init__()
        self.view: tuple[int, int] | None = None
        self.embedding = learned_rows(NAMES, attr_embed_dim, embedding_std, zero_row=PADDING_NAME)
        self.register_buffer("positions", torch.empty(0), persistent=False)

    def initialize_to_environment(self, env: EnvSpec, device: torch.device | str = "cpu") -> None:
        """Make the table for the view of a world, on `device`.

        Raises:
            GlulamError: if the world shows no tokens.
        """
        if env.view_height == 0:
            who = type(self).__name__
            msg = f"environment {env.name!r} shows no tokens, which {who} reads; take a policy that reads numbers"
            raise GlulamError(msg)
        self.view = env.view_height, env.view_width
        self.set_positions(torch.device(device))

    def set_positions(self, device: torch.device) -> None:
        """Make the table for the present view, floats in the dtype of the weights."""
        if self.view is None:
            return
        table = self.position_table(*self.view)
        dtype = self.embedding.weight.dtype if table.is_floating_point() else table.dtype
        self.positions = table.to(device=device, dtype=dtype)

    def position_table(self, height: int, width: int) -> Tensor:
        """Return what is known of each location byte in a view, `[256, P]`."""
        raise NotImplementedError

    def look_up(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the name's embedding (`[B, N, E]`), the table's row (`[B, N, P]`) and the value (`[B, N, 1]`).

        Args:
            tokens: `[B, N, 3]` float: location byte, row of the name, value.

        Raises:
            GlulamError: before `initialize_to_environment`: the size of the view is not known.
        """
        if self.positions.shape[0] == 0:
            msg = f"{type(self).__name__} does not know the view; call initialize_to_environment(env, device) first"
            raise GlulamError(msg)
        location, name = tokens[..., 0].int(), tokens[..., 1].int()
        return self.embedding(name), nn.functional.embedding(location, self.positions), tokens[..., 2:]


def learned_rows(count: int, width: int, std: float, *, zero_row: int | None = None) -> nn.Embedding:
    """Return a learned table of normal rows; `zero_row` is zero and stays so, since no gradient reaches it."""
    table = nn.Embedding(count, width, padding_idx=zero_row)
    nn.init.normal_(table.weight, std=std)
    if zero_row is not None:
        with torch.no_grad():
            table.weight[zero_row] = 0
    return table


def offsets(height: int, width: int) -> Tensor:
    """Return the row and the column of each location byte, counted from the agent's cell: `[256, 2]` int64."""
    locations = torch.arange(LOCATIONS)
    return torch.stack(((locations >> 4) - height // 2, (locations & 15) - width // 2), dim=-1)
