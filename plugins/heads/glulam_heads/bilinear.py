"""The bilinear actor.

Legend: `B` rows, `A` actions, `D` input width, `H` hidden width, `E` embedding width.
"""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn

from glulam import GlulamError
from glulam_heads.action_rows import ByName
from glulam_heads.own_order import OwnOrder

__all__ = ["BilinearActor"]


class BilinearActor(ByName):
    """Logits = tanh(h W) . E for each action's embedding E, h being a hidden layer or the input itself.

    No bias is added: one number on every logit changes nothing. The product is computed in the policy's own order of
    actions, so that a world's order changes no bit of it; an action that is not known has the logit 0.

    Args:
        in_dim: width D of the input.
        embed_dim: width E of the embeddings.
        hidden_size: width H of the hidden layer (ReLU); None for none.
        init_gain: gain of the query's orthogonal weights.
    """

    def __init__(self, in_dim: int, embed_dim: int, hidden_size: int | None = 512, init_gain: float = 1.0) -> None:
        super().__init__()
        self.rows: OwnOrder = OwnOrder()
        self.hidden: nn.Linear | None = None
        if hidden_size is not None:
            self.hidden = nn.Linear(in_dim, hidden_size)
            nn.init.orthogonal_(self.hidden.weight, sqrt(2))
            nn.init.zeros_(self.hidden.bias)
        query = torch.empty(hidden_size or in_dim, embed_dim)
        self.query = nn.Parameter(nn.init.orthogonal_(query, init_gain))

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Return logits `[B, A]` from `x` (`[B, D]`) and the actions' embeddings (`[A, E]`).

        Raises:
            GlulamError: if the embeddings have another width.
        """
        if embedding.shape[-1] != self.query.shape[1]:
            msg = f"bilinear_actor: embeddings of width {embedding.shape[-1]}, expected {self.query.shape[1]}"
            raise GlulamError(msg)
        if self.hidden is not None:
            x = torch.relu(self.hidden(x))  # (B, H)
        return self.rows.spread(torch.tanh(x @ self.query) @ self.rows.table(embedding).t())
