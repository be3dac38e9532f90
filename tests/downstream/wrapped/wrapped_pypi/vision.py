"""Blocks of vit-pytorch and timm. Imports no torch."""

from __future__ import annotations

from typing import Any

import attrs
from attrs.validators import and_, ge, gt, le, optional

import glulam

POSITIVE: Any = optional(gt(0))
PATCH = 4


@glulam.layer
class ImageConfig(glulam.LayerConfig):
    """What layers of images have in common: `[C, 12, 12]` a row."""

    in_key: str = glulam.reads("image", shape="channels 12 12")
    out_key: str = glulam.writes("y", shape="channels 12 12")
    channels: int | None = attrs.field(default=None, validator=POSITIVE)


@glulam.layer
class VitConfig(ImageConfig):
    """vit-pytorch's ViT."""

    out_key: str = glulam.writes("y", shape="out_dim")
    out_dim: int = attrs.field(default=6, validator=gt(0))

    @property
    def sizes(self) -> dict[str, int]:
        """What both kinds take."""
        sizes = {"image_size": 12, "patch_size": PATCH, "num_classes": self.out_dim, "channels": self.channels}
        return sizes | {"dim": 16, "depth": 1, "heads": 2, "mlp_dim": 16}

    def build(self):
        from wrapped_pypi.torchvision_on_cpu import vit_pytorch

        return vit_pytorch().ViT(**self.sizes)


@glulam.layer
class SimpleVitConfig(VitConfig):
    """vit-pytorch's SimpleViT."""

    def build(self):
        from wrapped_pypi.torchvision_on_cpu import vit_pytorch

        return vit_pytorch().SimpleViT(**self.sizes)


@glulam.layer
class PatchEmbedConfig(ImageConfig):
    """timm's PatchEmbed."""

    out_key: str = glulam.writes("y", shape="9 out_dim")
    out_dim: int = attrs.field(default=6, validator=gt(0))

    def build(self):
        from wrapped_pypi.torchvision_on_cpu import timm_layers

        return timm_layers().PatchEmbed(12, PATCH, self.channels, self.out_dim)


@glulam.layer
class SqueezeExciteConfig(ImageConfig):
    """timm's SqueezeExcite."""

    def build(self):
        from wrapped_pypi.torchvision_on_cpu import timm_layers

        return timm_layers().SqueezeExcite(self.channels, rd_channels=4)


@glulam.layer
class GroupNormActConfig(ImageConfig):
    """timm's GroupNormAct, which writes over what it has normalised."""

    groups: int = attrs.field(default=2, validator=and_(gt(0), glulam.divides("channels")))

    def build(self):
        from wrapped_pypi.torchvision_on_cpu import timm_layers

        return timm_layers().GroupNormAct(self.channels, num_groups=self.groups)


@glulam.layer
class ConvNormActConfig(ImageConfig):
    """timm's ConvNormAct: convolution, BatchNorm and ReLU, in training as it comes."""

    def build(self):
        from wrapped_pypi.torchvision_on_cpu import timm_layers

        return timm_layers().ConvNormAct(self.channels, self.channels, 3, padding=1)


@glulam.layer
class EcaConfig(ImageConfig):
    """timm's EcaModule."""

    def build(self):
        from wrapped_pypi.torchvision_on_cpu import timm_layers

        return timm_layers().EcaModule(kernel_size=3)


@glulam.layer
class BlurPoolConfig(ImageConfig):
    """timm's BlurPool2d, to half the size."""

    out_key: str = glulam.writes("y", shape="channels 6 6")

    def build(self):
        from wrapped_pypi.torchvision_on_cpu import timm_layers

        return timm_layers().BlurPool2d(self.channels)


@glulam.layer
class TimmTokensConfig(glulam.LayerConfig):
    """What timm's layers of tokens have in common."""

    in_key: str = glulam.reads("features", shape="N in_dim")
    out_key: str = glulam.writes("y", shape="N in_dim")
    in_dim: int | None = attrs.field(default=None, validator=POSITIVE)


@glulam.layer
class SwigluConfig(TimmTokensConfig):
    """timm's SwiGLU."""

    def build(self):
        from wrapped_pypi.torchvision_on_cpu import timm_layers

        return timm_layers().SwiGLU(self.in_dim, 16)


@glulam.layer
class DropPathConfig(TimmTokensConfig):
    """timm's DropPath, in training as it comes."""

    p: float = attrs.field(default=0.5, validator=[gt(0), le(0.5)])

    def build(self):
        from wrapped_pypi.torchvision_on_cpu import timm_layers

        return timm_layers().DropPath(self.p)


@glulam.layer
class TimmBlockConfig(TimmTokensConfig):
    """The block of timm's VisionTransformer, with LayerScale."""

    heads: int = attrs.field(default=2, validator=and_(gt(0), glulam.divides("in_dim")))
    scale: float = attrs.field(default=1e-5, validator=[ge(1e-5), le(1)])

    def build(self):
        from wrapped_pypi.torchvision_on_cpu import timm_block

        return timm_block()(self.in_dim, self.heads, init_values=self.scale)


@glulam.layer
class AttentionPoolLatentConfig(TimmTokensConfig):
    """timm's AttentionPoolLatent."""

    out_key: str = glulam.writes("y", shape="in_dim")
    heads: int = attrs.field(default=2, validator=and_(gt(0), glulam.divides("in_dim")))

    def build(self):
        from wrapped_pypi.torchvision_on_cpu import timm_layers

        return timm_layers().AttentionPoolLatent(self.in_dim, num_heads=self.heads)
