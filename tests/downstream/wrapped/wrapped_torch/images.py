"""Modules of torch.nn and torchrl for images, `[C, height, width]` a row. Imports no torch."""

from __future__ import annotations

from typing import Any

import attrs
from attrs.validators import and_, gt, optional

import glulam

POSITIVE: Any = optional(gt(0))
KERNEL = 3


@glulam.layer
class ImageConfig(glulam.LayerConfig):
    """What these layers have in common: an image in, one of the same size out."""

    in_key: str = glulam.reads("image", shape="channels height width")
    out_key: str = glulam.writes("y", shape="channels height width")
    channels: int | None = attrs.field(default=None, validator=POSITIVE)
    height: int | None = attrs.field(default=None, validator=POSITIVE)
    width: int | None = attrs.field(default=None, validator=POSITIVE)

    @property
    def seen(self) -> int:
        """Places that a kernel without padding has, in steps of 2."""
        return ((self.height - KERNEL) // 2 + 1) * ((self.width - KERNEL) // 2 + 1)


@glulam.layer
class ConvStackConfig(ImageConfig):
    """Two Conv2d, and ReLU between them."""

    out_key: str = glulam.writes("y", shape="out_channels height width")
    out_channels: int = attrs.field(default=4, validator=gt(0))

    def build(self):
        from torch import nn

        first = nn.Conv2d(self.channels, 8, KERNEL, padding=1)
        return nn.Sequential(first, nn.ReLU(), nn.Conv2d(8, self.out_channels, KERNEL, padding=1))


@glulam.layer
class GroupNormConfig(ImageConfig):
    """GroupNorm."""

    groups: int = attrs.field(default=2, validator=and_(gt(0), glulam.divides("channels")))

    def build(self):
        from torch import nn

        return nn.GroupNorm(self.groups, self.channels)


@glulam.layer
class InstanceNormConfig(ImageConfig):
    """InstanceNorm2d with weights."""

    def build(self):
        from torch import nn

        return nn.InstanceNorm2d(self.channels, affine=True)


@glulam.layer
class MaxPoolConfig(ImageConfig):
    """AdaptiveMaxPool2d to one place, and Flatten."""

    out_key: str = glulam.writes("y", shape="channels")

    def build(self):
        from torch import nn

        return nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten())


@glulam.layer
class TorchrlConvNetConfig(ImageConfig):
    """TorchRL's ConvNet, which flattens what its last kernel writes."""

    out_key: str = glulam.writes("y", shape="out_dim")
    cells: int = attrs.field(default=4, validator=gt(0))

    @property
    def out_dim(self) -> int:
        """Width of the output."""
        return self.cells * self.seen

    def build(self):
        from torchrl.modules import ConvNet

        return ConvNet(in_features=self.channels, num_cells=[self.cells], kernel_sizes=KERNEL, strides=2)


@glulam.layer
class TorchrlDuelingConfig(ImageConfig):
    """TorchRL's DuelingCnnDQNet, of a small size."""

    out_key: str = glulam.writes("action_value", shape="num_actions")
    num_actions: int = attrs.field(default=4, validator=gt(0))

    def build(self):
        from torchrl.modules import DuelingCnnDQNet

        images = {"in_features": self.channels, "num_cells": [4], "kernel_sizes": [KERNEL], "strides": [2]}
        return DuelingCnnDQNet(self.num_actions, 1, images, {"in_features": 4 * self.seen, "num_cells": 16})
