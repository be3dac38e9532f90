"""Latent cross-attention: learned queries read a set of tokens.

Legend: `B` rows, `N` tokens, `Q` queries, `D` width, `H` heads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn
from torch.nn.functional import linear

from glulam import Factored
from glulam_attention._heads import attend, glorot_linear, join_heads, split_heads, visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Read = Callable[[Tensor], Tensor]  # queries (1 or B, H, Q, D / H) to what they read (B, H, Q, D / H)

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

    takes_factored: ClassVar[bool] = True

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
        self.folds = num_layers * num_queries * num_heads <= hidden_size
        self.queries = nn.Parameter(torch.empty(1, num_queries, hidden_size))
        self.token_norm = nn.LayerNorm(in_dim)
        self.key = glorot_linear(in_dim, hidden_size, bias=False)
        self.value = glorot_linear(in_dim, hidden_size, bias=False)
        self.layers = nn.ModuleList(_CrossLayer(hidden_size, num_heads) for _ in range(num_layers))
        self.norm = nn.LayerNorm(hidden_size)
        self.out = nn.Identity() if out_dim == hidden_size else glorot_linear(hidden_size, out_dim)
        nn.init.trunc_normal_(self.queries, std=QUERY_STD)

    def forward(self, features: Tensor | Factored, mask: Tensor | None = None) -> Tensor:
        """Return `[B, out_dim]` for one query, `[B, Q, out_dim]` for more.

        Args:
            features: `[B, N, in_dim]`.
            mask: `[B, N]`, bool, True at real tokens; None where all are.
        """
        read = (self._folded if self.folds else self._projected)(features, mask)
        latents = self.queries  # (1, Q, D): all rows alike until they have read
        for layer in self.layers:
            latents = layer(latents, read)  # (B, Q, D)
        out: Tensor = self.out(self.norm(latents))
        return out.squeeze(1) if self.queries.shape[1] == 1 else out

    def _normalized(self, features: Tensor | Factored, weight: Tensor | None = None) -> Tensor:
        """Return LayerNorm(features), and a linear map of it."""
        if isinstance(features, Factored):
            return features.normalized(self.token_norm, weight)
        tokens: Tensor = self.token_norm(features)
        return tokens if weight is None else linear(tokens, weight)

    def _projected(self, features: Tensor | Factored, mask: Tensor | None) -> Read:
        """Return attention to keys and values that are projected here, once."""
        # Both maps as one read the tokens once.
        projected = self._normalized(features, torch.cat((self.key.weight, self.value.weight)))  # (B, N, 2 D)
        key, value = (split_heads(part, self.num_heads) for part in projected.chunk(2, -1))  # (B, H, N, D / H)
        seen = None if mask is None else visible(mask)
        return lambda query: attend(query.expand(key.shape[0], -1, -1, -1), key, value, seen)

    def _folded(self, features: Tensor | Factored, mask: Tensor | None) -> Read:
        """Return the same attention, the maps of keys and values applied to queries and results instead.

        Scores are q . (K x) = (K^T q) . x and results sum a (V x) = V (sum a x), so no token is projected;
        with few queries that takes half the time.
        """
        tokens = self._normalized(features)  # (B, N, in_dim)
        key, value = (
            project.weight.view(self.num_heads, -1, tokens.shape[-1]) for project in (self.key, self.value)
        )  # (H, D / H, in_dim)
        seen = None if mask is None else visible(mask)

        def read(query: Tensor) -> Tensor:
            folded = torch.einsum("bhqd,hdi->bhqi", query, key)  # (1 or B, H, Q, in_dim)
            folded = folded.flatten(1, 2).unsqueeze(1).expand(tokens.shape[0], -1, -1, -1)  # one head of H * Q
            scale = query.shape[-1] ** -0.5
            mixed = attend(folded, tokens.unsqueeze(1), tokens.unsqueeze(1), seen, scale)
            mixed = mixed.view(tokens.shape[0], *query.shape[1:3], tokens.shape[-1])  # (B, H, Q, in_dim)
            return torch.einsum("bhqi,hdi->bhqd", mixed, value)  # (B, H, Q, D / H)

        return read


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

    def forward(self, latents: Tensor, read: Read) -> Tensor:
        query = split_heads(self.query(self.attention_norm(latents)), self.num_heads)  # (1 or B, H, Q, D / H)
        latents = latents + self.attention_out(join_heads(read(query)))  # (B, Q, D)
        return latents + self.mlp(latents)  # type: ignore[no-any-return]
