"""The action embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from glulam_heads.action_rows import ActionRows

if TYPE_CHECKING:
    from glulam import EnvSpec

__all__ = ["ActionEmbedding"]


class ActionEmbedding(nn.Module):
    """One learned row an action, found by name.

    Args:
        max_actions: rows of the table.
        embed_dim: its width.
        init_scale: its largest entry at first, the table being orthogonal otherwise.
    """

    def __init__(self, max_actions: int, embed_dim: int, init_scale: float = 1.0) -> None:
        super().__init__()
        table = nn.init.orthogonal_(torch.empty(max_actions, embed_dim))
        self.weight = nn.Parameter(table * (init_scale / table.abs().max()))
        self.rows = ActionRows(max_actions)

    def initialize_to_environment(self, env: EnvSpec, device: torch.device | str | None = None) -> None:
        """Find the rows of a world's actions; GlulamError if they do not fit into the table."""
        self.rows.initialize_to_environment(env, device)

    def forward(self) -> Tensor:
        """Return the rows of the present world's A actions, `[A, embed_dim]`, in its order.

        Raises:
            GlulamError: if no world has been given yet.
        """
        return embedding(self.rows(), self.weight)
