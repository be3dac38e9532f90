"""Latent cross-attention: learned queries read a set of tokens.

Legend: `B` rows, `N` tokens, `Q` queries, `D` width, `H` heads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn

from glulam_attention._heads import glorot_linear, join_heads, split_heads
from glulam_attention._reading import Folded, Projected

if TYPE_CHECKING:
    from torch import Tensor

    from glulam import Repeated
    from glulam_attention._reading import Reading

__all__ = ["LatentAttention"]

MLP_RATIO = 4
QUERY_STD = 0.02


class LatentAttention(nn.Module):
    """Queries attend to tokens layer by layer, then a LayerNorm and, to another width, a linear map.

    Keys and values come from LayerNorm(features), projected once, without bias, for all layers. A row
    without a real token gets the output for an attention of zero: finite, and so is its gradient.

    Args:
        in_dim: width of a token.
        out_dim: width of the output.
        num_queries: Q; 1 gives a vector a row, more give a set.
        hidden_size: D.
        num_layers: layers, each cross-attention and MLP.
        num_heads: H, divides D.
    """

    takes_repeated: ClassVar[bool] = True

    def __init__(  # noqa: PLR0913 - a module takes numbers, never a config
        self,
        in_dim: int,
        out_dim: int,
        *,
        num_queries: int,
        hidden_size: int,
        num_layers: int,
        num_heads: int,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        few_queries = num_layers * num_queries * num_heads <= hidden_size
        self.reading = Folded if few_queries else Projected
        self.queries = nn.Parameter(torch.empty(1, num_queries, hidden_size))
        self.token_norm = nn.LayerNorm(in_dim)
        self.key = glorot_linear(in_dim, hidden_size, bias=False)
        self.value = glorot_linear(in_dim, hidden_size, bias=False)
        self.layers = nn.ModuleList(_CrossLayer(hidden_size, num_heads) for _ in range(num_layers))
        self.norm = nn.LayerNorm(hidden_size)
        self.out = nn.Identity() if out_dim == hidden_size else glorot_linear(hidden_size, out_dim)
        nn.init.trunc_normal_(self.queries, std=QUERY_STD)

    def forward(self, features: Tensor | Repeated, mask: Tensor | Repeated | None = None) -> Tensor:
        """Return `[B, out_dim]` for one query, `[B, Q, out_dim]` for more.

        Args:
            features: `[B, N, in_dim]`.
            mask: `[B, N]`, bool, True at real tokens; None where all are.
        """
        normed = self.token_norm(features) if isinstance(features, torch.Tensor) else features.map(self.token_norm)
        reading = self.reading(normed, mask, self.key.weight, self.value.weight, self.num_heads)
        latents = self.queries  # (1, Q, D): all rows alike until they have read
        for layer in self.layers:
            latents = layer(latents, reading)  # (B, Q, D)
        out: Tensor = self.out(self.norm(latents))
        return out.squeeze(1) if self.queries.shape[1] == 1 else out


class _CrossLayer(nn.Module):
    """Pre-norm cross-attention and a pre-norm GELU MLP, each added to the latents."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attention_norm = nn.LayerNorm(width)
        self.query = glorot_linear(width, width, bias=False)
        self.attention_out = glorot_linear(width, width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            glorot_linear(width, MLP_RATIO * width),
            nn.GELU(),
            glorot_linear(MLP_RATIO * width, width),
        )

    def forward(self, latents: Tensor, reading: Reading) -> Tensor:
        query = split_heads(self.query(self.attention_norm(latents)), self.num_heads)  # (1 or B, H, Q, D / H)
        latents = latents + self.attention_out(join_heads(reading(query)))  # (B, Q, D)
        return latents + self.mlp(latents)  # type: ignore[no-any-return]
