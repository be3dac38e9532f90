"""Multi-head attention over masked sets.

Legend: `B` rows, `Q` queries, `N` tokens, `D` width, `H` heads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from torch import nn
from torch.nn.functional import scaled_dot_product_attention

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Visible", "attend", "glorot_linear", "join_heads", "split_heads", "visible"]


class Visible(NamedTuple):
    """What queries may see (`[B, 1, 1, N]`), and the rows without anything to see (`[B, 1, 1, 1]`)."""

    tokens: Tensor
    nothing: Tensor


def visible(mask: Tensor) -> Visible:
    """Return what a mask (`[B, N]`, True = real) lets queries see.

    A row without real tokens has no softmax; it sees all of them here, so that it and its gradient stay
    finite, and `attend` makes its result zero.
    """
    nothing = ~mask.any(-1, keepdim=True)  # (B, 1)
    return Visible((mask | nothing)[:, None, None, :], nothing[:, None, None, :])


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """Return `[B, N, D]` as `[B, H, N, D / H]`."""
    return x.view(*x.shape[:-1], num_heads, x.shape[-1] // num_heads).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """Return `[B, H, N, D / H]` as `[B, N, D]`."""
    return x.transpose(1, 2).flatten(2)


def attend(query: Tensor, key: Tensor, value: Tensor, seen: Visible | None, scale: float | None = None) -> Tensor:
    """Return what `query` (`[B, H, Q, K]`) reads from `value` (`[B, H, N, V]`): `[B, H, Q, V]`."""
    mask = None if seen is None else seen.tokens
    attended = scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale)
    return attended if seen is None else attended.masked_fill(seen.nothing, 0)


def glorot_linear(in_dim: int, out_dim: int, *, bias: bool = True) -> nn.Linear:
    """Return a linear map with Glorot-uniform weights and zero bias."""
    linear = nn.Linear(in_dim, out_dim, bias=bias)
    nn.init.xavier_uniform_(linear.weight)
    if bias:
        nn.init.zeros_(linear.bias)
    return linear
