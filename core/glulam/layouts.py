"""What an `EnvSpec` is made of: how observations are laid out, and the names of features and actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ActionSpec", "BoxLayout", "Feature", "TokenLayout"]


@attrs.frozen(kw_only=True)
class Feature:
    """One observation feature: its name, the id its tokens carry, and the scale of its values.

    `values` says what a token's value means: a `number` (divided by `normalization`), or the index of a
    `tag` or of an `action` (a name, never a quantity).
    """

    name: str
    id: int
    normalization: float = 1.0
    values: Literal["number", "tag", "action"] = "number"


@attrs.frozen(kw_only=True)
class TokenLayout:
    """How an observation row is laid out: `[count, columns]` uint8 = (location, feature id, value).

    A location packs the row in the high and the column in the low four bits. `padding` marks an empty
    token (whatever its other bytes hold) and `global_location` one that belongs to no place.
    """

    count: int
    columns: int = 3
    padding: int = 0xFF
    global_location: int = 0xFE


def _sizes(shape: Iterable[int]) -> tuple[int, ...]:
    return tuple(shape)


@attrs.frozen(kw_only=True)
class BoxLayout:
    """How an observation row of plain numbers is laid out, in a world without tokens."""

    shape: tuple[int, ...] = attrs.field(converter=_sizes)
    dtype: str = "float32"


@attrs.frozen(kw_only=True)
class ActionSpec:
    """The discrete actions of a world, in the order of their ids."""

    names: tuple[str, ...]
