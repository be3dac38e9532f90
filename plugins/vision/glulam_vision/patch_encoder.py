"""Patches of a grid as a set of vectors.

Legend: `B` rows, `C` channels, `H` x `W` cells, `P` cells a side of a patch, `N` patches, `D` width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from glulam import GlulamError

__all__ = ["PatchEncoder"]

POSITION_STD = 0.02  # as in ViT (Dosovitskiy et al. 2021)


class PatchEncoder(nn.Module):
    """Each patch is mapped linearly and gets a learned vector of its position added; row by row, left to right.

    A grid that patches do not cover evenly gets zeros around it: half of the missing cells on each side, of an odd
    number the last at the bottom or right. Where that number is even, the agent in the middle of a view so stays in
    the middle of the patches. Weights start orthogonal, positions normal and small.

    Args:
        in_shape: (C, H, W) of the input.
        out_dim: D.
        patch_size: P.
    """

    def __init__(self, in_shape: tuple[int, int, int], out_dim: int, *, patch_size: int) -> None:
        super().__init__()
        self.in_shape = in_shape
        channels, height, width = in_shape
        self.padding = (*_around(width, patch_size), *_around(height, patch_size))
        # A bias would be a part of all positions.
        self.project = nn.Conv2d(channels, out_dim, patch_size, stride=patch_size, bias=False)
        self.positions = nn.Parameter(torch.empty(-(-height // patch_size) * -(-width // patch_size), out_dim))
        nn.init.orthogonal_(self.project.weight)
        nn.init.trunc_normal_(self.positions, std=POSITION_STD)
        # Channels last, as the box is: 0.9 of the time on a CPU, and patches come out as contiguous vectors.
        self.project.weight.data = self.project.weight.data.contiguous(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """Return one vector a patch, `[B, N, D]`.

        Args:
            x: `[B, C, H, W]`, in any memory format.

        Raises:
            GlulamError: if the input has another size than the module was built for.
        """
        if x.shape[1:] != self.in_shape:
            msg = f"PatchEncoder was built for inputs of {list(self.in_shape)}, got {list(x.shape[1:])}"
            raise GlulamError(msg)
        if any(self.padding):
            x = pad(x, self.padding)
        patches = self.project(x).permute(0, 2, 3, 1)  # (B, rows, columns, D)
        out: Tensor = patches.flatten(1, 2) + self.positions  # (B, N, D)
        return out


def _around(size: int, patch_size: int) -> tuple[int, int]:
    """Return the zeros before and behind `size` cells that make it a multiple of the patch."""
    missing = -size % patch_size
    return missing // 2, missing - missing // 2
