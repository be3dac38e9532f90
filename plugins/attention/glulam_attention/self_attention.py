"""Self-attention with a CLS token: a set of vectors becomes one.

Legend: `B` rows, `N` vectors, `D` width, `H` heads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import linear, pad

from glulam_attention._heads import attend, glorot_linear, join_heads, split_heads, visible
from glulam_attention._small_set import attend_small_sets, pays

if TYPE_CHECKING:
    from torch import Tensor

    from glulam_attention._heads import Visible

__all__ = ["SelfAttention"]

CLS_STD = 0.02


class SelfAttention(nn.Module):
    """Pre-norm self-attention with residuals and no MLP, then a LayerNorm and a linear map of the CLS row.

    Args:
        in_dim: D.
        out_dim: width of the output.
        num_layers: layers.
        num_heads: H, divides D.
    """

    def __init__(self, in_dim: int, out_dim: int, *, num_layers: int, num_heads: int) -> None:
        super().__init__()
        self.cls = nn.Parameter(torch.empty(1, 1, in_dim))
        self.layers = nn.ModuleList(_SelfLayer(in_dim, num_heads) for _ in range(num_layers))
        self.norm = nn.LayerNorm(in_dim)
        self.out = glorot_linear(in_dim, out_dim)
        nn.init.trunc_normal_(self.cls, std=CLS_STD)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return `[B, out_dim]`.

        Args:
            x: `[B, N, D]`.
            mask: `[B, N]`, bool, True at real vectors; None where all are.
        """
        x = torch.cat((self.cls.expand(x.shape[0], -1, -1), x), dim=1)  # (B, 1 + N, D)
        seen = None if mask is None else visible(pad(mask, (1, 0), value=True))  # CLS is always seen
        last = len(self.layers) - 1
        for number, layer in enumerate(self.layers):
            # Only the CLS row is read out, so in the last layer nobody else asks.
            x = layer(x, seen, 1 if number == last else x.shape[1])
        out: Tensor = self.out(self.norm(x[:, 0]))
        return out


class _SelfLayer(nn.Module):
    """Pre-norm self-attention added to its input."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm = nn.LayerNorm(width)
        self.query = glorot_linear(width, width, bias=False)
        self.key = glorot_linear(width, width, bias=False)
        self.value = glorot_linear(width, width, bias=False)
        self.attention_out = glorot_linear(width, width)

    def forward(self, x: Tensor, seen: Visible | None, count: int) -> Tensor:
        """Return the first `count` rows of the set after attention to all of it."""
        normed = self.norm(x)  # (B, N, D)
        if pays(normed):
            maps = torch.cat((self.query.weight, self.key.weight, self.value.weight))
            mask = None if seen is None else seen.tokens.flatten(1)  # (B, N)
            attended = attend_small_sets(linear(normed, maps), mask, self.num_heads, count)
            return x[:, :count] + self.attention_out(attended)  # type: ignore[no-any-return]
        query = split_heads(self.query(normed[:, :count]), self.num_heads)  # (B, H, count, D / H)
        key, value = (split_heads(project(normed), self.num_heads) for project in (self.key, self.value))
        attended = join_heads(attend(query, key, value, seen))  # (B, count, D)
        return x[:, :count] + self.attention_out(attended)  # type: ignore[no-any-return]
