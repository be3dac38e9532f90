"""The layers of this plugin: encoders of grids. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from attrs.validators import deep_iterable, gt, min_len, optional

import glulam

if TYPE_CHECKING:
    from glulam_vision.cnn import Cnn

__all__ = ["CnnConfig"]

POSITIVE = deep_iterable(gt(0))


def _one_each(config: CnnConfig, field: attrs.Attribute[Any], value: tuple[int, ...]) -> None:
    if len(value) != len(config.channels):
        msg = f"{field.name} has {len(value)} numbers, channels has {len(config.channels)}; one a convolution"
        raise ValueError(msg)


@glulam.layer
class CnnConfig(glulam.LayerConfig):
    """A stack of convolutions without padding, a ReLU after each, flattened channel by channel.

    Attributes:
        in_key: Key of the grid: channels, rows and columns.
        out_key: Key of the flattened output: the last convolution's channels times the rows and columns that it leaves.
        in_channels: Channels of the input; inferred from the layer that writes it where it is left out.
        height: Rows of the input; inferred like `in_channels`.
        width: Columns of the input; inferred like `in_channels`.
        channels: Output channels of each convolution, first to last; at least one convolution.
        kernel_sizes: Side of each convolution's square kernel, in cells of its input; as many numbers as in `channels`.
        strides: Cells by which each convolution's kernel moves, both ways; as many numbers as in `channels`.
    """

    in_key: str = glulam.reads("box", dtype="float", shape="in_channels height width")
    out_key: str = glulam.writes("encoded", dtype="float", shape="out_dim")
    in_channels: int | None = attrs.field(default=None, validator=optional(gt(0)))
    height: int | None = attrs.field(default=None, validator=optional(gt(0)))
    width: int | None = attrs.field(default=None, validator=optional(gt(0)))
    channels: tuple[int, ...] = attrs.field(default=(64, 64), validator=[min_len(1), POSITIVE])
    kernel_sizes: tuple[int, ...] = attrs.field(default=(5, 3), validator=[POSITIVE, _one_each])
    strides: tuple[int, ...] = attrs.field(default=(3, 1), validator=[POSITIVE, _one_each])

    @property
    def out_dim(self) -> int:
        """Numbers in the flattened output.

        Raises:
            ValueError: if the input is too small for the kernels, or its size is not known.
        """
        if self.height is None or self.width is None:
            msg = "the height and width of the input are not known; set both, or give an environment"
            raise ValueError(msg)
        height, width = self.height, self.width
        for number, (kernel, stride) in enumerate(zip(self.kernel_sizes, self.strides, strict=True), start=1):
            if min(height, width) < kernel:
                msg = (
                    f"an input of {self.height} x {self.width} is too small: convolution {number} with its "
                    f"{kernel} x {kernel} kernel gets {height} x {width}; set smaller kernel_sizes or strides"
                )
                raise ValueError(msg)
            height, width = (height - kernel) // stride + 1, (width - kernel) // stride + 1
        return self.channels[-1] * height * width

    def build(self) -> Cnn:
        """Return the module."""
        from glulam_vision.cnn import Cnn

        if self.in_channels is None or self.height is None or self.width is None:
            msg = "cnn: in_channels, height and width are not all known; set them, or resolve the policy"
            raise glulam.GlulamError(msg)
        return Cnn(
            (self.in_channels, self.height, self.width),
            channels=self.channels,
            kernel_sizes=self.kernel_sizes,
            strides=self.strides,
        )
