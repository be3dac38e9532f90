"""The linear actor."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from glulam_heads.action_rows import ByName
from glulam_heads.own_order import OwnOrder

__all__ = ["LinearActor"]


class LinearActor(ByName):
    """Logits from one linear map, each action with a row of weights and a bias found by its name.

    An action that is not known has the logit 0. The map is computed in the policy's own order of actions, so that a
    world's order changes no bit of it.

    Args:
        in_dim: width D of the input.
        max_actions: rows of the table of weights.
        init_gain: gain of the orthogonal weights; biases start at zero.
    """

    def __init__(self, in_dim: int, max_actions: int = 100, init_gain: float = 0.01) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.orthogonal_(torch.empty(max_actions, in_dim), init_gain))
        self.bias = nn.Parameter(torch.zeros(max_actions, 1))
        self.rows: OwnOrder = OwnOrder(max_actions)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits `[B, A]` of the present world's A actions from `x` (`[B, D]`).

        Raises:
            GlulamError: if no world has been given yet.
        """
        self.rows()  # no world, no actions
        known = len(self.rows.names)
        return self.rows.spread(linear(x, self.weight[:known], self.bias[:known, 0]))
