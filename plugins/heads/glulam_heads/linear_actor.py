"""The linear actor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, linear

from glulam_heads.action_rows import ActionRows

if TYPE_CHECKING:
    from glulam import EnvSpec

__all__ = ["LinearActor"]


class LinearActor(nn.Module):
    """Logits from one linear map, each action with a row of weights and a bias found by its name.

    Args:
        in_dim: width D of the input.
        max_actions: rows of the table of weights.
        init_gain: gain of the orthogonal weights; biases start at zero.
    """

    def __init__(self, in_dim: int, max_actions: int = 100, init_gain: float = 0.01) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.orthogonal_(torch.empty(max_actions, in_dim), init_gain))
        self.bias = nn.Parameter(torch.zeros(max_actions, 1))
        self.rows = ActionRows(max_actions)

    def initialize_to_environment(self, env: EnvSpec, device: torch.device | str | None = None) -> None:
        """Find the rows of a world's actions; GlulamError if they do not fit into the table."""
        self.rows.initialize_to_environment(env, device)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits `[B, A]` of the present world's A actions from `x` (`[B, D]`).

        Raises:
            GlulamError: if no world has been given yet.
        """
        rows = self.rows()
        return linear(x, embedding(rows, self.weight), embedding(rows, self.bias).squeeze(1))
