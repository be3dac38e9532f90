"""The layers of glulam-attention: what turns a set of rows into a few."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import glulam
from attrs.validators import gt

if TYPE_CHECKING:
    from glulam_attention.latent import LatentAttention

__all__ = ["LatentAttentionConfig"]


@glulam.layer
class LatentAttentionConfig(glulam.LayerConfig):
    """Learned queries attend over token rows; a single query gives one vector a row of the batch."""

    in_key: str = glulam.reads("token_features", shape="N in_dim")
    mask_key: str | None = glulam.reads("token_mask", dtype="bool", shape="N", optional=True)
    out_key: str = glulam.writes("encoded", shape="out_shape")
    in_dim: int | None = None
    num_queries: int = attrs.field(default=1, validator=gt(0))
    hidden_size: int = attrs.field(default=32, validator=gt(0))
    num_layers: int = attrs.field(default=2, validator=gt(0))
    num_heads: int = attrs.field(default=4, validator=gt(0))
    out_dim: int = attrs.field(default=128, validator=gt(0))

    @property
    def out_shape(self) -> str:
        """Dims of the output: those of a vector where there is one query."""
        if self.hidden_size % self.num_heads:
            msg = f"hidden_size {self.hidden_size} is not divisible by num_heads {self.num_heads}"
            raise ValueError(msg)
        return "out_dim" if self.num_queries == 1 else "num_queries out_dim"

    def build(self) -> LatentAttention:
        """Return the module."""
        from glulam_attention.latent import LatentAttention

        return LatentAttention(
            self.in_dim or 0, self.num_queries, self.hidden_size, self.num_layers, self.num_heads, self.out_dim
        )
