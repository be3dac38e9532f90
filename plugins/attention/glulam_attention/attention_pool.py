"""Pooling: a set of vectors becomes one.

Legend: `B` rows, `N` vectors, `D` width, `H` heads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from glulam_attention._heads import attend, glorot_linear, visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from glulam_attention.configs import PoolMethod

__all__ = ["AttentionPool"]

QUERY_STD = 0.02


class AttentionPool(nn.Module):
    """One vector is made of a set, then a LayerNorm and a linear map.

    A row without a real vector pools to zeros: finite, and so is its gradient.

    Args:
        in_dim: D.
        out_dim: width of the output.
        method: `mean` of the real vectors, the `first` of them, or `attention` of one learned query.
        num_heads: H, divides D; of `attention` only.
    """

    def __init__(self, in_dim: int, out_dim: int, *, method: PoolMethod, num_heads: int) -> None:
        super().__init__()
        pools = {"mean": _mean, "first": _first}
        self.pool: Callable[[Tensor, Tensor | None], Tensor] = pools.get(method) or _LearnedQuery(in_dim, num_heads)
        self.norm = nn.LayerNorm(in_dim)
        self.out = glorot_linear(in_dim, out_dim)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return `[B, out_dim]`.

        Args:
            x: `[B, N, D]`.
            mask: `[B, N]`, bool, True at real vectors; None where all are.
        """
        out: Tensor = self.out(self.norm(self.pool(x, mask)))
        return out


def _mean(x: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return x.mean(1)
    total = x.masked_fill(~mask.unsqueeze(-1), 0).sum(1)  # (B, D)
    return total / mask.sum(1, keepdim=True).clamp(min=1)


def _first(x: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return x[:, 0]
    number = mask.int().argmax(1)  # (B,): of equal numbers argmax takes the first
    vector = x.take_along_dim(number[:, None, None], dim=1).squeeze(1)  # (B, D)
    return vector.masked_fill(~mask.any(1, keepdim=True), 0)


class _LearnedQuery(nn.Module):
    """One learned query reads normalised vectors, as in the pooling of Lee et al. 2019 ("Set Transformer").

    The query starts small, so that the first weights are close to those of a mean.
    """

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.empty(num_heads, width // num_heads))
        self.norm = nn.LayerNorm(width)
        self.key = glorot_linear(width, width, bias=False)
        self.value = glorot_linear(width, width, bias=False)
        nn.init.trunc_normal_(self.query, std=QUERY_STD)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Return `[B, D]`.

        Scores are q . (K x) = (K^T q) . x and results sum a (V x) = V (sum a x), so K and V are applied to the query
        and the result, and no vector is projected: a quarter to a half of the time.
        """
        normed = self.norm(x).unsqueeze(1)  # (B, 1, N, D)
        key, value = (linear.weight.view(*self.query.shape, -1) for linear in (self.key, self.value))  # (H, D / H, D)
        folded = torch.einsum("hd,hdi->hi", self.query, key)  # (H, D): one head of H queries
        seen = None if mask is None else visible(mask)
        scale = self.query.shape[-1] ** -0.5
        mixed = attend(folded.expand(x.shape[0], 1, -1, -1), normed, normed, seen, scale)  # (B, 1, H, D)
        return torch.einsum("bhi,hdi->bhd", mixed.squeeze(1), value).flatten(1)  # (B, D)
