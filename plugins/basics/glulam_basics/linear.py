"""The linear map."""

from __future__ import annotations

from torch import nn

__all__ = ["Linear"]


class Linear(nn.Linear):
    """`nn.Linear` with orthogonal weights and zero biases: `[..., in_dim]` to `[..., out_dim]`.

    Args:
        in_dim: width of the input.
        out_dim: width of the output.
        bias: whether a bias is added.
        init_gain: gain of the weights.
    """

    def __init__(self, in_dim: int, out_dim: int, *, bias: bool = True, init_gain: float = 1.0) -> None:
        super().__init__(in_dim, out_dim, bias=bias)
        nn.init.orthogonal_(self.weight, init_gain)
        if bias:
            nn.init.zeros_(self.bias)
