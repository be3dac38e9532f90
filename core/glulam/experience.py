"""What the experience buffer must store: `TensorSpec`, and merging the specs of several owners."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Literal, TypeAlias

import attrs

from glulam._errors import GlulamError
from glulam.keys import declared_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from glulam.config import LossConfig
    from glulam.environment import EnvSpec

__all__ = ["ExperienceSpec", "TensorSpec", "merge_specs", "spec_bytes", "written_by_loss"]

Key: TypeAlias = "str | tuple[str, ...]"

_ITEM_BYTES = {"bool": 1, "uint8": 1, "int8": 1, "int16": 2, "float16": 2, "bfloat16": 2, "int32": 4}
_ITEM_BYTES |= {"float32": 4, "int64": 8, "float64": 8}


def _dims(shape: Iterable[int]) -> tuple[int, ...]:
    return tuple(shape)


@attrs.frozen
class TensorSpec:
    """One stored tensor: the shape of a row, its dtype's name, and whether a row is a step or a segment.

    Attributes:
        shape: the dims of one row, without `[segments, T]`.
        dtype: its dtype's name; `float` is the policy's own.
        per: what a row is: a `step`, or a whole `segment`.
    """

    shape: tuple[int, ...] = attrs.field(converter=_dims)
    dtype: str = "float32"
    per: Literal["step", "segment"] = "step"

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return prod(self.shape) * _ITEM_BYTES[self.dtype]


ExperienceSpec: TypeAlias = "dict[Key, TensorSpec]"
"""What a buffer holds: a `TensorSpec` a key, where a key is a name or a tuple of names."""


def merge_specs(owned: Iterable[tuple[str, Mapping[Key, TensorSpec]]]) -> ExperienceSpec:
    """Merge `(owner, spec)` pairs; two owners may share a key only if they agree on it.

    Raises:
        GlulamError: naming the key, both owners and what each wants.
    """
    merged: ExperienceSpec = {}
    owners: dict[Key, str] = {}
    for owner, spec in owned:
        for key, tensor in spec.items():
            if key in merged and merged[key] != tensor:
                msg = (
                    f"GL502: {owner} wants {key!r} stored as {describe(tensor)}, "
                    f"{owners[key]} as {describe(merged[key])}; rename the key of one of them"
                )
                raise GlulamError(msg)
            merged.setdefault(key, tensor)
            owners.setdefault(key, owner)
    return merged


def written_by_loss(loss: LossConfig, env: EnvSpec | None) -> ExperienceSpec:
    """Return the specs of the keys that a loss writes itself; without an environment only those it does not size.

    Raises:
        GlulamError: if a dim is neither a number nor `env.NAME`.
    """
    found: ExperienceSpec = {}
    for field, spec in declared_keys(type(loss)).items():
        if spec.writer != "loss" or (env is None and "env." in spec.shape):
            continue
        sizes = []
        for dim in spec.shape.split():
            if not dim.isdigit() and not dim.startswith("env."):
                msg = f"loss {type(loss).__name__}: {field} has dim {dim!r}; what a loss writes has numbers or env.NAME"
                raise GlulamError(msg)
            sizes.append(int(dim) if env is None or dim.isdigit() else env.dim(dim.removeprefix("env.")))
        found[getattr(loss, field)] = TensorSpec(tuple(sizes), spec.dtype)
    return found


def spec_bytes(spec: Mapping[Key, TensorSpec], *, segments: int, horizon: int) -> int:
    """Return the bytes of a buffer of `segments` x `horizon` steps."""
    return sum(tensor.row_bytes * segments * (horizon if tensor.per == "step" else 1) for tensor in spec.values())


def describe(tensor: TensorSpec) -> str:
    """Return a spec as messages show it: `float32[3] per step`."""
    return f"{tensor.dtype}{list(tensor.shape)} per {tensor.per}"
