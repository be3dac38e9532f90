"""The layers of this plugin: encoders of grids. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from attrs.validators import deep_iterable, ge, gt, min_len, optional

import glulam

if TYPE_CHECKING:
    from glulam_vision.cell_embedding import CellEmbedding
    from glulam_vision.cnn import Cnn
    from glulam_vision.patch_encoder import PatchEncoder

__all__ = ["CellEmbeddingConfig", "CnnConfig", "PatchEncoderConfig"]

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
        height, width = _known_size(self.height, self.width)
        smallest = min(height, width)
        for number, (kernel, stride) in enumerate(zip(self.kernel_sizes, self.strides, strict=True), start=1):
            if min(height, width) < kernel:
                msg = (
                    f"an input of {self.height} x {self.width} is too small: convolution {number} with its "
                    f"{kernel} x {kernel} kernel gets {height} x {width}; "
                    f"set {_fitting(smallest, self.kernel_sizes)}"
                )
                raise ValueError(msg)
            height, width = (height - kernel) // stride + 1, (width - kernel) // stride + 1
        return self.channels[-1] * height * width

    def build(self) -> Cnn:
        """Return the module; GlulamError where a size is neither given nor inferred yet."""
        from glulam_vision.cnn import Cnn

        return Cnn(
            _known_shape(self, "cnn"),
            channels=self.channels,
            kernel_sizes=self.kernel_sizes,
            strides=self.strides,
        )


@glulam.layer
class PatchEncoderConfig(glulam.LayerConfig):
    """A grid becomes a set: square patches, each mapped linearly, with a learned vector of its position added.

    Where patches do not cover the grid evenly, zeros are added around it: half of the missing rows and columns on each
    side, of an odd number the last at the bottom or right.

    Attributes:
        in_key: Key of the grid: channels, rows and columns.
        out_key: Key of the set of vectors, one a patch; row by row, left to right.
        in_channels: Channels of the input; inferred from the layer that writes it where it is left out.
        height: Rows of the input; inferred like `in_channels`.
        width: Columns of the input; inferred like `in_channels`.
        patch_size: Side of a patch, in cells; 1 makes each cell a vector.
        out_dim: Width of each vector of the set.
    """

    in_key: str = glulam.reads("box", dtype="float", shape="in_channels height width")
    out_key: str = glulam.writes("latents", dtype="float", shape="num_patches out_dim")
    in_channels: int | None = attrs.field(default=None, validator=optional(gt(0)))
    height: int | None = attrs.field(default=None, validator=optional(gt(0)))
    width: int | None = attrs.field(default=None, validator=optional(gt(0)))
    patch_size: int = attrs.field(default=3, validator=gt(0))
    out_dim: int = attrs.field(default=64, validator=gt(0))

    @property
    def num_patches(self) -> int:
        """Patches that cover the input.

        Raises:
            ValueError: if the size of the input is not known.
        """
        height, width = _known_size(self.height, self.width)
        return -(-height // self.patch_size) * -(-width // self.patch_size)

    def build(self) -> PatchEncoder:
        """Return the module; GlulamError where a size is neither given nor inferred yet."""
        from glulam_vision.patch_encoder import PatchEncoder

        return PatchEncoder(_known_shape(self, "patch_encoder"), self.out_dim, patch_size=self.patch_size)


@glulam.layer
class CellEmbeddingConfig(glulam.LayerConfig):
    """Each cell's channels mapped by one linear map without bias: an embedding a channel, times the number there.

    A cell becomes the sum of its channels' embeddings, and an empty cell stays zero.

    Attributes:
        in_key: Key of the grid: channels, rows and columns.
        out_key: Key of the embedded grid, of as many rows and columns.
        in_channels: Channels of the input; inferred from the layer that writes it where it is left out.
        out_dim: Channels of the embedded grid: the width of an embedding.
        embedding_std: Standard deviation of the embeddings at first; where it is left out 1 / sqrt(`out_dim`), which
            gives them a length of about 1, as the channels have that they replace. 0 starts them at zero.
    """

    in_key: str = glulam.reads("box", dtype="float", shape="in_channels H W")
    out_key: str = glulam.writes("cells", dtype="float", shape="out_dim H W")
    in_channels: int | None = attrs.field(default=None, validator=optional(gt(0)))
    out_dim: int = attrs.field(default=16, validator=gt(0))
    embedding_std: float | None = attrs.field(default=None, validator=optional(ge(0)))

    def build(self) -> CellEmbedding:
        """Return the module; GlulamError where a size is neither given nor inferred yet."""
        from glulam_vision.cell_embedding import CellEmbedding

        if self.in_channels is None:
            msg = "cell_embedding: in_channels is not known; set it, or resolve the policy"
            raise glulam.GlulamError(msg)
        std = self.out_dim**-0.5 if self.embedding_std is None else self.embedding_std
        return CellEmbedding(self.in_channels, self.out_dim, std=std)


def _known_size(height: int | None, width: int | None) -> tuple[int, int]:
    if height is None or width is None:
        msg = "the height and width of the input are not known; set both, or give an environment"
        raise ValueError(msg)
    return height, width


def _known_shape(config: CnnConfig | PatchEncoderConfig, layer: str) -> tuple[int, int, int]:
    if config.in_channels is None or config.height is None or config.width is None:
        msg = f"{layer}: in_channels, height and width are not all known; set them, or resolve the policy"
        raise glulam.GlulamError(msg)
    return config.in_channels, config.height, config.width


def _fitting(size: int, kernel_sizes: tuple[int, ...]) -> str:
    """Return what to set so that convolutions fit an input of `size` cells a side: the kernels stay if they can."""
    count = len(kernel_sizes)
    strides = f"strides to {[1] * count}"
    if sum(kernel - 1 for kernel in kernel_sizes) < size:
        return strides
    largest = 1 + (size - 1) // count  # each takes `largest` - 1 cells from a side
    return f"kernel_sizes to {[min(kernel, largest) for kernel in kernel_sizes]} and {strides}"
