"""Modules of torch.nn for one vector a row. Imports no torch."""

from __future__ import annotations

from typing import Any

import attrs
from attrs.validators import gt, le, optional

import glulam

POSITIVE: Any = optional(gt(0))


@glulam.layer
class VectorConfig(glulam.LayerConfig):
    """What these layers have in common: a vector in, one of the same width out."""

    in_key: str = glulam.reads("x", shape="in_dim")
    out_key: str = glulam.writes("y", shape="in_dim")
    in_dim: int | None = attrs.field(default=None, validator=POSITIVE)


@glulam.layer
class MappedConfig(VectorConfig):
    """A vector in, one of another width out."""

    out_key: str = glulam.writes("y", shape="out_dim")
    out_dim: int = attrs.field(default=8, validator=gt(0))


@glulam.layer
class LinearNormConfig(MappedConfig):
    """Linear and LayerNorm."""

    def build(self):
        from torch import nn

        return nn.Sequential(nn.Linear(self.in_dim, self.out_dim), nn.LayerNorm(self.out_dim))


@glulam.layer
class BatchNormConfig(VectorConfig):
    """BatchNorm1d, in training as it comes."""

    def build(self):
        from torch import nn

        return nn.BatchNorm1d(self.in_dim)


@glulam.layer
class DropoutConfig(MappedConfig):
    """Linear and Dropout, in training as it comes."""

    p: float = attrs.field(default=0.5, validator=[gt(0), le(0.5)])

    def build(self):
        from torch import nn

        return nn.Sequential(nn.Linear(self.in_dim, self.out_dim), nn.Dropout(self.p))


@glulam.layer
class BilinearConfig(MappedConfig):
    """Bilinear, of two vectors."""

    other_key: str = glulam.reads("other", shape="other_dim")
    other_dim: int | None = attrs.field(default=None, validator=POSITIVE)

    def build(self):
        from torch import nn

        return nn.Bilinear(self.in_dim, self.other_dim, self.out_dim)


@glulam.layer
class RmsNormConfig(VectorConfig):
    """RMSNorm."""

    def build(self):
        from torch import nn

        return nn.RMSNorm(self.in_dim)


@glulam.layer
class PreluConfig(VectorConfig):
    """PReLU, one slope a channel."""

    def build(self):
        from torch import nn

        return nn.PReLU(self.in_dim)


@glulam.layer
class WeightNormConfig(MappedConfig):
    """Linear whose weight is parametrised by `weight_norm`."""

    def build(self):
        from torch import nn

        return nn.utils.parametrizations.weight_norm(nn.Linear(self.in_dim, self.out_dim))


@glulam.layer
class SpectralNormConfig(MappedConfig):
    """Linear whose weight is divided by its largest singular value, which each call in training estimates anew."""

    def build(self):
        from torch import nn

        return nn.utils.parametrizations.spectral_norm(nn.Linear(self.in_dim, self.out_dim))


@glulam.layer
class LazyLinearConfig(MappedConfig):
    """LazyLinear, which learns its width from the first call."""

    def build(self):
        from torch import nn

        return nn.LazyLinear(self.out_dim)


@glulam.layer
class EmbeddingConfig(glulam.LayerConfig):
    """Embedding: one row of a table for a number."""

    in_key: str = glulam.reads("places", dtype="int64", shape="")
    out_key: str = glulam.writes("y", shape="out_dim")
    rows: int = attrs.field(default=8, validator=gt(7))
    out_dim: int = attrs.field(default=8, validator=gt(0))

    def build(self):
        from torch import nn

        return nn.Embedding(self.rows, self.out_dim)


@glulam.layer
class EmbeddingBagConfig(EmbeddingConfig):
    """EmbeddingBag: the mean of the rows for several numbers."""

    in_key: str = glulam.reads("places", dtype="int64", shape="N")

    def build(self):
        from torch import nn

        return nn.EmbeddingBag(self.rows, self.out_dim)
