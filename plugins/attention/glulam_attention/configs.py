"""The layers of this plugin: encoders of token sets. Imports no torch.

Legend: `N` tokens of a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs
from attrs.validators import and_, gt, in_, optional

import glulam

if TYPE_CHECKING:
    from glulam_attention.attention_pool import AttentionPool
    from glulam_attention.latent import LatentAttention
    from glulam_attention.self_attention import SelfAttention

__all__ = ["AttentionPoolConfig", "LatentAttentionConfig", "PoolMethod", "SelfAttentionConfig"]

PoolMethod = Literal["mean", "first", "attention"]
"""How tokens become one: their mean, the first of them, or weighted by attention."""
_divides_width = glulam.divides("in_dim")


def _heads_divide(config: AttentionPoolConfig, field: attrs.Attribute[Any], number: int) -> None:
    if config.method == "attention":  # the other methods have no heads, and take any width
        _divides_width(config, field, number)


@glulam.layer
class LatentAttentionConfig(glulam.LayerConfig):
    """Learned queries read a set of tokens by cross-attention; one query gives a vector, more give a set.

    Keys and values are projected once and shared by all layers.

    Attributes:
        in_key: Key of the tokens to read, one vector each.
        mask_key: Key of the mask, True at real tokens; tokens outside it are not seen, and null means that all are
            real.
        out_key: Key of the result: one vector, or a set of `num_queries` vectors where there is more than one query.
        in_dim: Width of a token; inferred from the layer that writes it where it is left out.
        num_queries: Learned queries; 1 gives a vector, more give a set of as many vectors.
        hidden_size: Width of queries, keys and values, over all heads together; a multiple of `num_heads`.
        num_layers: Layers, each cross-attention and an MLP; the keys and values are the same in all of them.
        num_heads: Heads of the attention; must divide `hidden_size`.
        out_dim: Width of each vector of the result.
    """

    in_key: str = glulam.reads("token_features", dtype="float", shape="N in_dim")
    mask_key: str | None = glulam.reads("token_mask", dtype="bool", shape="N", optional=True)
    out_key: str = glulam.writes("encoded", dtype="float", shape="out_shape")
    in_dim: int | None = attrs.field(default=None, validator=optional(gt(0)))
    num_queries: int = attrs.field(default=1, validator=gt(0))
    hidden_size: int = attrs.field(default=32, validator=gt(0))
    num_layers: int = attrs.field(default=2, validator=gt(0))
    num_heads: int = attrs.field(default=4, validator=and_(gt(0), glulam.divides("hidden_size")))
    out_dim: int = attrs.field(default=128, validator=gt(0))

    @property
    def out_shape(self) -> str:
        """The dims that are written: one vector for one query, else one a query."""
        return "out_dim" if self.num_queries == 1 else "num_queries out_dim"

    def build(self) -> LatentAttention:
        """Return the module; GlulamError where `in_dim` is neither given nor inferred yet."""
        from glulam_attention.latent import LatentAttention

        return LatentAttention(
            _known(self.in_dim, "latent_attention"),
            self.out_dim,
            num_queries=self.num_queries,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            num_heads=self.num_heads,
        )


@glulam.layer
class SelfAttentionConfig(glulam.LayerConfig):
    """A set of vectors becomes one: a learned CLS token attends with them, layer by layer, and is read out.

    There is no MLP between the layers.

    Attributes:
        in_key: Key of the set of vectors to read.
        mask_key: Key of the mask, True at real vectors; vectors outside it are not seen, and null means that all are
            real.
        out_key: Key of the result, one vector.
        in_dim: Width of a vector, in all layers; inferred from the layer that writes it where it is left out.
        num_layers: Layers of self-attention.
        num_heads: Heads of each layer; must divide `in_dim`.
        out_dim: Width of the result.
    """

    in_key: str = glulam.reads("latents", dtype="float", shape="N in_dim")
    mask_key: str | None = glulam.reads(None, dtype="bool", shape="N", optional=True)
    out_key: str = glulam.writes("encoded", dtype="float", shape="out_dim")
    in_dim: int | None = attrs.field(default=None, validator=optional(gt(0)))
    num_layers: int = attrs.field(default=2, validator=gt(0))
    num_heads: int = attrs.field(default=4, validator=and_(gt(0), glulam.divides("in_dim")))
    out_dim: int = attrs.field(default=128, validator=gt(0))

    def build(self) -> SelfAttention:
        """Return the module; GlulamError where `in_dim` is neither given nor inferred yet."""
        from glulam_attention.self_attention import SelfAttention

        in_dim = _known(self.in_dim, "self_attention")
        return SelfAttention(in_dim, self.out_dim, num_layers=self.num_layers, num_heads=self.num_heads)


@glulam.layer
class AttentionPoolConfig(glulam.LayerConfig):
    """A set of vectors becomes one: their mean, the first, or what one learned query reads; then a linear map.

    Attributes:
        in_key: Key of the set of vectors to read.
        mask_key: Key of the mask, True at real vectors; vectors outside it are not seen, and null means that all are
            real.
        out_key: Key of the result, one vector.
        in_dim: Width of a vector of the set; inferred from the layer that writes it where it is left out.
        method: How the set becomes one vector: `mean` of the real ones, the `first` real one, or the `attention` of a
            learned query to them; zeros where none is real. A LayerNorm and the linear map follow.
        num_heads: Heads of the attention; must divide `in_dim`. The other methods have none.
        out_dim: Width of the result.
    """

    in_key: str = glulam.reads("latents", dtype="float", shape="N in_dim")
    mask_key: str | None = glulam.reads(None, dtype="bool", shape="N", optional=True)
    out_key: str = glulam.writes("encoded", dtype="float", shape="out_dim")
    in_dim: int | None = attrs.field(default=None, validator=optional(gt(0)))
    method: PoolMethod = attrs.field(default="attention", validator=in_(("mean", "first", "attention")))
    num_heads: int = attrs.field(default=4, validator=and_(gt(0), _heads_divide))
    out_dim: int = attrs.field(default=128, validator=gt(0))

    def build(self) -> AttentionPool:
        """Return the module; GlulamError where `in_dim` is neither given nor inferred yet."""
        from glulam_attention.attention_pool import AttentionPool

        in_dim = _known(self.in_dim, "attention_pool")
        return AttentionPool(in_dim, self.out_dim, method=self.method, num_heads=self.num_heads)


def _known(in_dim: int | None, layer: str) -> int:
    if in_dim is None:
        msg = f"{layer}: in_dim is not known; set it, or resolve the policy"
        raise glulam.GlulamError(msg)
    return in_dim
