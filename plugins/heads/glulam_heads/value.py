"""The value head."""

from __future__ import annotations

from math import sqrt
from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["ValueHead"]


class ValueHead(nn.Module):
    """The value of a state: Linear, activation, Linear to one number.

    Args:
        in_dim: width D of the input.
        hidden_size: width of the hidden layer.
        activation: `tanh` or `relu`.
    """

    def __init__(self, in_dim: int, hidden_size: int = 1024, activation: Literal["tanh", "relu"] = "tanh") -> None:
        super().__init__()
        self.hidden = nn.Linear(in_dim, hidden_size)
        self.out = nn.Linear(hidden_size, 1)
        self.activation = {"tanh": torch.tanh, "relu": torch.relu}[activation]
        for linear, gain in ((self.hidden, sqrt(2) if activation == "relu" else 1.0), (self.out, 1.0)):
            nn.init.orthogonal_(linear.weight, gain)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the values `[B]` of `x` (`[B, D]`)."""
        value: Tensor = self.out(self.activation(self.hidden(x))).squeeze(-1)
        return value
