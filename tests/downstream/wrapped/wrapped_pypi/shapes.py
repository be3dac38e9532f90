"""Layers of einops. Imports no torch."""

from __future__ import annotations

from typing import Any, Literal

import attrs
from attrs.validators import gt, optional

import glulam

POSITIVE: Any = optional(gt(0))


@glulam.layer
class RearrangeConfig(glulam.LayerConfig):
    """Rearrange: an image as a row of its pixels."""

    in_key: str = glulam.reads("image", shape="channels height width")
    out_key: str = glulam.writes("y", shape="pixels channels")
    channels: int | None = attrs.field(default=None, validator=POSITIVE)
    height: int | None = attrs.field(default=None, validator=POSITIVE)
    width: int | None = attrs.field(default=None, validator=POSITIVE)

    @property
    def pixels(self) -> int:
        """How many there are."""
        return self.height * self.width

    def build(self):
        from einops.layers.torch import Rearrange

        return Rearrange("b c h w -> b (h w) c")


@glulam.layer
class ReduceConfig(glulam.LayerConfig):
    """Reduce: tokens to one vector."""

    in_key: str = glulam.reads("features", shape="N in_dim")
    out_key: str = glulam.writes("y", shape="in_dim")
    in_dim: int | None = attrs.field(default=None, validator=POSITIVE)
    how: Literal["max", "mean", "sum", "min", "prod"] = "max"

    def build(self):
        from einops.layers.torch import Reduce

        return Reduce("b n d -> b d", self.how)


@glulam.layer
class EinMixConfig(glulam.LayerConfig):
    """EinMix: a linear map of the width of tokens."""

    in_key: str = glulam.reads("features", shape="N in_dim")
    out_key: str = glulam.writes("y", shape="N out_dim")
    in_dim: int | None = attrs.field(default=None, validator=POSITIVE)
    out_dim: int = attrs.field(default=6, validator=gt(0))

    def build(self):
        from einops.layers.torch import EinMix

        return EinMix("b n d -> b n e", weight_shape="d e", bias_shape="e", d=self.in_dim, e=self.out_dim)
