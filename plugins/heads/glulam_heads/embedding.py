"""The action embedding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from glulam_heads.action_rows import ActionRows, ByName

__all__ = ["ActionEmbedding", "embedding_table"]


def embedding_table(max_actions: int, embed_dim: int, init_scale: float) -> nn.Parameter:
    """Return a table `[max_actions, embed_dim]`, orthogonal, whose largest entry is `init_scale`."""
    table = nn.init.orthogonal_(torch.empty(max_actions, embed_dim))
    return nn.Parameter(table * (init_scale / table.abs().max()))


class ActionEmbedding(ByName):
    """One learned row an action, found by name; zeros for an action that is not known.

    Args:
        max_actions: rows of the table.
        embed_dim: its width.
        init_scale: its largest entry at first, the table being orthogonal otherwise.
    """

    def __init__(self, max_actions: int, embed_dim: int, init_scale: float = 1.0) -> None:
        super().__init__()
        self.weight = embedding_table(max_actions, embed_dim, init_scale)
        self.rows = ActionRows(max_actions)

    def forward(self) -> Tensor:
        """Return the rows of the present world's A actions, `[A, embed_dim]`, in its order.

        Raises:
            GlulamError: if no world has been given yet.
        """
        return self.rows.look_up(self.weight)
