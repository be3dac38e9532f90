"""Keys as config fields: `reads`, `writes`, `reads_many`, `stored`, and the shapes they declare.

A shape is a string of dims without the batch: `"N feature_dim"`. A dim is an integer, the name of a field or
property of the config, a free name that the keys of one layer may share, or `env.NAME`. A shape may start with
`...` (any dims), and a shape that is the name of a property returning a string stands for that string.
"""

from __future__ import annotations

from typing import Any, Literal

import attrs

from glulam._per_class import per_class
from glulam._unknown import UNKNOWN

__all__ = ["KeySpec", "divides", "from_env", "reads", "reads_many", "stored", "writes"]

Phase = Literal["both", "act", "score"]
Writer = Literal["policy", "trainer", "loss"]

KEY = "glulam.key"
FROM_ENV = "glulam.from_env"


@attrs.frozen(kw_only=True)
class KeySpec:
    """What a config field declares about the key it names."""

    direction: Literal["read", "write", "stored"]
    dtype: str
    shape: str
    optional: bool = False
    if_offered: bool = False
    many: bool = False
    batched: bool = True
    phase: Phase = "both"
    writer: Writer = "policy"
    next_step: bool = False


def reads(  # noqa: PLR0913 - each is an independent, named choice
    default: str | None = attrs.NOTHING,  # type: ignore[assignment]
    *,
    dtype: str = "float",
    shape: str = "...",
    optional: bool = False,
    if_offered: bool = False,
    batched: bool = True,
) -> Any:  # noqa: ANN401 - a field specifier, as attrs.field is
    """Declare a field that names a key the layer reads.

    Args:
        default: the key when the policy does not say another.
        dtype: `float` (the policy's own), `any`, or a dtype's name such as `uint8`.
        shape: dims of one row.
        optional: the policy may set the field to null; the module then gets `None`.
        if_offered: the key may be one that only some environments offer, such as `action_mask`; the module gets
            `None` in the others. Implies `optional`.
        batched: False for a tensor that all rows share, such as a table of action embeddings.

    Raises:
        TypeError: if the shape is no string.
    """
    spec = KeySpec(
        direction="read",
        dtype=dtype,
        shape=_checked(shape),
        optional=optional or if_offered,
        if_offered=if_offered,
        batched=batched,
    )
    return attrs.field(default=default, metadata={KEY: spec})


def reads_many(default: tuple[str, ...] = (), *, dtype: str = "float", shape: str = "...") -> Any:  # noqa: ANN401
    """Declare a field that names a list of keys; the module gets one tensor a key, in order.

    Raises:
        TypeError: if the shape is no string.
    """
    spec = KeySpec(direction="read", dtype=dtype, shape=_checked(shape), many=True)
    return attrs.field(default=default, converter=_as_tuple, metadata={KEY: spec})


def writes(  # noqa: PLR0913 - each is an independent, named choice
    default: str | None = attrs.NOTHING,  # type: ignore[assignment]
    *,
    dtype: str = "float",
    shape: str = "...",
    optional: bool = False,
    batched: bool = True,
    phase: Phase = "both",
) -> Any:  # noqa: ANN401 - a field specifier, as attrs.field is
    """Declare a field that names a key the layer writes.

    Args:
        default: the key when the policy does not say another.
        dtype: `float` (the policy's own) or a dtype's name such as `int64`.
        shape: dims of one row.
        optional: the policy may set the field to null; the module then returns one tensor less.
        batched: False for a tensor that all rows share.
        phase: of an action head, which of its two calls returns the key: `act`, `score` or both.

    Raises:
        TypeError: if the shape is no string.
    """
    spec = KeySpec(
        direction="write", dtype=dtype, shape=_checked(shape), optional=optional, batched=batched, phase=phase
    )
    return attrs.field(default=default, metadata={KEY: spec})


def stored(
    default: str = attrs.NOTHING,  # type: ignore[assignment]
    *,
    dtype: str = "float",
    shape: str = "...",
    writer: Writer = "policy",
    next_step: bool = False,
) -> Any:  # noqa: ANN401 - a field specifier, as attrs.field is
    """Declare a field of a loss that names a key of the experience buffer, as it was in the rollout.

    Args:
        default: the key when the settings do not say another.
        dtype: `float` (the policy's own), `any`, or a dtype's name such as `bool`.
        shape: dims of one step.
        writer: who writes it: the `policy` (or the environment), the `trainer` after the rollout (`advantages`,
            `returns`, `valid`), or the `loss` itself in each step, in its `observe`.
        next_step: the loss reads the key of the next step too, as `stored["next", key]`.

    Raises:
        TypeError: if the shape is no string.
    """
    spec = KeySpec(direction="stored", dtype=dtype, shape=_checked(shape), writer=writer, next_step=next_step)
    return attrs.field(default=default, metadata={KEY: spec})


def from_env(dim: str) -> Any:  # noqa: ANN401 - a field specifier, as attrs.field is
    """Declare an `int | None` field that takes the environment's `dim` when a policy is first resolved with one.

    From then on it is part of the policy: a checkpoint keeps it, whatever world it moves to.
    """
    return attrs.field(default=None, metadata={FROM_ENV: dim})


def _checked(shape: object) -> str:
    if not isinstance(shape, str):
        msg = f"a shape is a string of dims, such as 'N 3'; found {shape!r}"
        raise TypeError(msg)
    return shape


class IndivisibleError(ValueError):
    """A width (the field `width`) is not divisible by a number that must divide it."""

    def __init__(self, message: str, width: str) -> None:
        super().__init__(message)
        self.width = width

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.width)


def divides(field_name: str) -> Any:  # noqa: ANN401 - an attrs validator
    """Return a validator: the number divides another field evenly, as heads divide a width (GL403).

    While the other field is None, to be inferred, nothing is said yet.

    Raises:
        IndivisibleError: by the validator, if it does not; a ValueError that names the width.
    """

    def check(config: object, field: attrs.Attribute[Any], number: int) -> None:
        width = getattr(config, field_name)
        if width is not None and number > 0 and width % number:
            msg = f"{field_name} {width} is not divisible by {field.name} {number}"
            raise IndivisibleError(msg, field_name)

    return check


@per_class
def declared_keys(cls: type) -> dict[str, KeySpec]:
    """Return the key declarations of a config class, by field name, in field order."""
    if not attrs.has(cls):
        return {}
    return {field.name: field.metadata[KEY] for field in attrs.fields(cls) if KEY in field.metadata}


def _as_tuple(value: Any) -> Any:  # noqa: ANN401 - a tuple, but for a value that is not known
    return value if value is UNKNOWN else tuple(value)
