"""Memory that several processes see as tensors.

The file behind it has no name: it is gone with the last process that holds it, however that ends.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from itertools import accumulate
from math import prod
from typing import TYPE_CHECKING, Any

import attrs
import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

__all__ = ["ACTIONS", "BUSY", "MARKS", "Field", "as_plain", "map_tensors", "nameless_file"]

ACTIONS = "(actions)"
"""Shared beside the keys of an environment: the actions of the step to come."""
MARKS = "(rows to restart)"
"""Shared likewise: which rows are to start anew."""
BUSY = "(seconds in steps)"
"""Shared likewise: how many seconds each worker has spent in steps."""
ALIGNMENT = 64  # bytes: a line of cache, so that no two workers write to one


def _sizes(shape: Iterable[int]) -> tuple[int, ...]:
    return tuple(shape)  # from JSON it comes as a list


@attrs.frozen
class Field:
    """A tensor in shared memory: its name, its dtype as torch calls it, and its shape."""

    name: str
    dtype: str
    shape: tuple[int, ...] = attrs.field(converter=_sizes)

    @classmethod
    def like(cls, name: str, tensor: Tensor, rows: int) -> Field:
        """Return the field of a tensor `[B, ...]` with another number of rows."""
        return cls(name, str(tensor.dtype).removeprefix("torch."), (rows, *tensor.shape[1:]))

    @property
    def bytes(self) -> int:
        """What it takes up."""
        return int(getattr(torch, self.dtype).itemsize) * prod(self.shape)


def nameless_file() -> int:
    """Return a descriptor of an empty file in memory; where a system has no such, in the folder of temporary files."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("glulam")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def map_tensors(file: int, fields: Sequence[Field]) -> dict[str, Tensor]:
    """Return tensors by name, `[...]` as their fields say, one after another in a file that is made large enough.

    Every process that gives the same fields sees the same numbers; they are zero at first.
    """
    places = [0, *accumulate(_padded(field.bytes) for field in fields)]
    size = max(places[-1], ALIGNMENT)
    if os.fstat(file).st_size < size:
        os.ftruncate(file, size)
    block = mmap.mmap(file, size)
    return {field.name: _tensor(block, field, place) for field, place in zip(fields, places, strict=False)}


def _tensor(block: mmap.mmap, field: Field, place: int) -> Tensor:
    dtype = getattr(torch, field.dtype)
    flat = torch.frombuffer(block, dtype=dtype, count=prod(field.shape), offset=place)  # keeps the block open
    return flat.view(field.shape)


def _padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def as_plain(fields: Iterable[Field]) -> list[Any]:
    """Return fields as JSON holds them; `Field(*entry)` makes each again."""
    return [attrs.astuple(field) for field in fields]
