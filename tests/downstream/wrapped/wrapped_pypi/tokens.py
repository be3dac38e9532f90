"""x-transformers over tokens, with masks that are True where a token is. Imports no torch."""

from __future__ import annotations

from typing import Any

import attrs
from attrs.validators import gt, optional

import glulam

POSITIVE: Any = optional(gt(0))


@glulam.layer
class TokensConfig(glulam.LayerConfig):
    """What these layers have in common."""

    in_key: str = glulam.reads("features", shape="N in_dim")
    mask_key: str = glulam.reads("token_mask", dtype="bool", shape="N")
    out_key: str = glulam.writes("encoded", shape="N in_dim")
    in_dim: int | None = attrs.field(default=None, validator=POSITIVE)
    heads: int = attrs.field(default=2, validator=gt(0))
    depth: int = attrs.field(default=1, validator=gt(0))

    @property
    def sizes(self) -> dict[str, int]:
        """What all stacks of x-transformers take."""
        return {"dim": self.in_dim, "depth": self.depth, "heads": self.heads, "attn_dim_head": 8}


@glulam.layer
class EncoderConfig(TokensConfig):
    """Encoder."""

    def build(self):
        from wrapped_pypi.attention import Masked

        return Masked("Encoder", **self.sizes)


@glulam.layer
class ModernEncoderConfig(TokensConfig):
    """Encoder with rotary positions, RMSNorm and gated feed-forward layers."""

    def build(self):
        from wrapped_pypi.attention import Masked

        return Masked("Encoder", **self.sizes, rotary_pos_emb=True, use_rmsnorm=True, ff_glu=True)


@glulam.layer
class DecoderConfig(TokensConfig):
    """Decoder: each token sees those before it."""

    def build(self):
        from wrapped_pypi.attention import Masked

        return Masked("Decoder", **self.sizes)


@glulam.layer
class CrossAttenderConfig(TokensConfig):
    """CrossAttender: a few queries attend to the tokens."""

    query_key: str = glulam.reads("queries", shape="3 in_dim")
    out_key: str = glulam.writes("answers", shape="3 in_dim")

    def build(self):
        from wrapped_pypi.attention import CrossAttention

        return CrossAttention(**self.sizes)


@glulam.layer
class AttentionPoolConfig(TokensConfig):
    """AttentionPool: learned queries attend to the tokens."""

    out_key: str = glulam.writes("pooled", shape="queries in_dim")
    queries: int = attrs.field(default=2, validator=gt(0))

    def build(self):
        from x_transformers import AttentionPool

        return AttentionPool(self.in_dim, self.queries, depth=self.depth, heads=self.heads, dim_head=8)


@glulam.layer
class ContinuousWrapperConfig(TokensConfig):
    """ContinuousTransformerWrapper with an Encoder: maps tokens in and out, and adds learned positions."""

    out_key: str = glulam.writes("encoded", shape="N out_dim")
    out_dim: int = attrs.field(default=6, validator=gt(0))

    def build(self):
        from wrapped_pypi.attention import Continuous

        return Continuous(self.in_dim, self.out_dim, **self.sizes | {"dim": 16})
