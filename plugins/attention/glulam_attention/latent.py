"""Cross-attention from learned queries (Perceiver: Jaegle et al. 2021).

Legend: `B` rows, `N` tokens, `Q` queries, `D` width, `H` heads.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

__all__ = ["LatentAttention"]

MLP_RATIO = 4


class LatentAttention(nn.Module):
    """Token rows `[B, N, in_dim]` and a mask `[B, N]` to `[B, out_dim]`, or `[B, Q, out_dim]` of several queries.

    Keys and values are projected once and shared by all layers. A row of padding alone attends to nothing.
    """

    def __init__(
        self, in_dim: int, num_queries: int, hidden_size: int, num_layers: int, num_heads: int, out_dim: int
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.queries = nn.Parameter(torch.empty(1, num_queries, hidden_size))
        self.norm_kv = nn.LayerNorm(in_dim)
        self.k_proj = nn.Linear(in_dim, hidden_size, bias=False)
        self.v_proj = nn.Linear(in_dim, hidden_size, bias=False)
        self.layers = nn.ModuleList(_LatentLayer(hidden_size, num_heads) for _ in range(num_layers))
        self.final_norm = nn.LayerNorm(hidden_size)
        self.out = nn.Linear(hidden_size, out_dim)
        nn.init.normal_(self.queries)

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend over the tokens for which the mask holds (all of them without one)."""
        batch = features.shape[0]
        normed = self.norm_kv(features)
        key = self.k_proj(normed).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # (B, H, N, D/H)
        value = self.v_proj(normed).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        allowed = None
        if mask is not None:
            # A row with no token at all would divide by zero: it attends to everything, to values of zero.
            value = value.masked_fill(~mask[:, None, :, None], 0)
            allowed = (mask | ~mask.any(dim=1, keepdim=True))[:, None, None]  # (B, 1, 1, N)
        x = self.queries.expand(batch, -1, -1)  # (B, Q, D)
        for layer in self.layers:
            x = cast("Tensor", layer(x, key, value, allowed))
        x = cast("Tensor", self.out(self.final_norm(x)))
        return x.squeeze(1) if x.shape[1] == 1 else x


class _LatentLayer(nn.Module):
    """Pre-norm cross-attention and a pre-norm MLP, each with a residual."""

    def __init__(self, hidden_size: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm1 = nn.LayerNorm(hidden_size)
        self.q_proj = nn.Linear(hidden_size, hidden_size, bias=False)
        self.attn_out_proj = nn.Linear(hidden_size, hidden_size)
        self.norm2 = nn.LayerNorm(hidden_size)
        self.mlp = nn.Sequential(
            nn.Linear(hidden_size, MLP_RATIO * hidden_size), nn.GELU(), nn.Linear(MLP_RATIO * hidden_size, hidden_size)
        )

    def forward(self, x: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None) -> Tensor:
        query = self.q_proj(self.norm1(x)).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # (B, H, Q, D/H)
        seen = scaled_dot_product_attention(query, key, value, attn_mask=allowed)
        x = x + self.attn_out_proj(seen.transpose(1, 2).flatten(2))
        return x + cast("Tensor", self.mlp(self.norm2(x)))
