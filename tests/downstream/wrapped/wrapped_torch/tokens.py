"""Attention of torch.nn, over tokens with a mask that is True where a token is. Imports no torch."""

from __future__ import annotations

from typing import Any

import attrs
from attrs.validators import and_, gt, optional

import glulam

POSITIVE: Any = optional(gt(0))


@glulam.layer
class TokensConfig(glulam.LayerConfig):
    """What these layers have in common."""

    in_key: str = glulam.reads("features", shape="N in_dim")
    mask_key: str = glulam.reads("token_mask", dtype="bool", shape="N")
    out_key: str = glulam.writes("encoded", shape="N in_dim")
    in_dim: int | None = attrs.field(default=None, validator=POSITIVE)
    num_heads: int = attrs.field(default=2, validator=and_(gt(0), glulam.divides("in_dim")))


@glulam.layer
class TransformerEncoderConfig(TokensConfig):
    """TransformerEncoderLayer, without dropout."""

    norm_first: bool = False

    def build(self):
        from wrapped_torch.attention import Encoder

        return Encoder(self.in_dim, self.num_heads, norm_first=self.norm_first)


@glulam.layer
class SelfAttentionConfig(TokensConfig):
    """MultiheadAttention of tokens to themselves."""

    def build(self):
        from wrapped_torch.attention import SelfAttention

        return SelfAttention(self.in_dim, self.num_heads)


@glulam.layer
class GuardedSelfAttentionConfig(SelfAttentionConfig):
    """The same with `add_zero_attn`, so that a row without tokens has something to attend to."""

    def build(self):
        from wrapped_torch.attention import SelfAttention

        return SelfAttention(self.in_dim, self.num_heads, add_zero_attn=True)


@glulam.layer
class TransformerDecoderConfig(TokensConfig):
    """TransformerDecoderLayer without dropout: a few queries attend to each other, and to the tokens."""

    query_key: str = glulam.reads("queries", shape="3 in_dim")
    out_key: str = glulam.writes("answers", shape="3 in_dim")

    def build(self):
        from wrapped_torch.attention import Decoder

        return Decoder(self.in_dim, self.num_heads)
