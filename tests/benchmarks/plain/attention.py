"""Attention by einsum: learned queries read tokens, then a CLS row and what they read attend to each other.

Legend: `B` rows, `N` tokens, `Q` queries, `D` width, `H` heads, `K` = D / H.
"""

import torch
from torch import nn

__all__ = ["LatentAttention", "SelfAttention"]

HIDDEN = -1e9  # added to the scores of padding


def attend(query, key, value, mask=None):
    """Return what queries (`[B, Q, H, K]`) read from values (`[B, N, H, K]`), `[B, Q, D]`."""
    scores = torch.einsum("bqhk,bnhk->bhqn", query, key) / query.shape[-1] ** 0.5
    if mask is not None:
        scores = scores + mask
    weights = torch.softmax(scores, dim=-1)
    return torch.einsum("bhqn,bnhk->bqhk", weights, value).flatten(2)


class CrossBlock(nn.Module):
    """Pre-norm cross-attention and a pre-norm MLP, each with a residual."""

    def __init__(self, width, num_heads):
        super().__init__()
        self.num_heads = num_heads
        self.attention_norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.attention_out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x, key, value, mask, some):
        query = self.query(self.attention_norm(x)).unflatten(-1, (self.num_heads, -1))  # (B, Q, H, K)
        x = x + self.attention_out(attend(query, key, value, mask) * some)
        return x + self.mlp(x)


class LatentAttention(nn.Module):
    """Queries read tokens, block by block, from keys and values that are projected once."""

    def __init__(self, in_dim, out_dim, num_queries, width, num_layers, num_heads):
        super().__init__()
        self.num_heads = num_heads
        self.queries = nn.Parameter(0.02 * torch.randn(1, num_queries, width))
        self.token_norm = nn.LayerNorm(in_dim)
        self.key = nn.Linear(in_dim, width, bias=False)
        self.value = nn.Linear(in_dim, width, bias=False)
        self.blocks = nn.ModuleList(CrossBlock(width, num_heads) for _ in range(num_layers))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, out_dim) if out_dim != width else nn.Identity()

    def forward(self, features, real):
        """Return `[B, Q, out_dim]`; `real` is `[B, N]`, False at padding."""
        tokens = self.token_norm(features)
        key = self.key(tokens).unflatten(-1, (self.num_heads, -1))  # (B, N, H, K)
        value = self.value(tokens).unflatten(-1, (self.num_heads, -1))
        mask = torch.zeros_like(real, dtype=features.dtype).masked_fill(~real, HIDDEN)[:, None, None]  # (B, 1, 1, N)
        some = real.any(1).to(features.dtype)[:, None, None]  # a row without tokens reads nothing
        x = self.queries.expand(len(features), -1, -1)  # (B, Q, D)
        for block in self.blocks:
            x = block(x, key, value, mask, some)
        return self.out(self.norm(x))


class SelfBlock(nn.Module):
    """Pre-norm self-attention with a residual."""

    def __init__(self, width, num_heads):
        super().__init__()
        self.num_heads = num_heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.attention_out = nn.Linear(width, width)

    def forward(self, x):
        normed = self.norm(x)
        query, key, value = (
            project(normed).unflatten(-1, (self.num_heads, -1)) for project in (self.query, self.key, self.value)
        )  # (B, N, H, K)
        return x + self.attention_out(attend(query, key, value))


class SelfAttention(nn.Module):
    """CLS and a set of vectors attend to each other, all rows in all blocks; CLS is read out."""

    def __init__(self, width, out_dim, num_layers, num_heads):
        super().__init__()
        self.cls = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.blocks = nn.ModuleList(SelfBlock(width, num_heads) for _ in range(num_layers))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, out_dim)

    def forward(self, x):
        """Return `[B, out_dim]` from `[B, N, D]`."""
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], dim=1)
        for block in self.blocks:
            x = block(x)
        return self.out(self.norm(x[:, 0]))
