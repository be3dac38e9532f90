"""What an `EnvSpec` is made of: how observations are laid out, and the names of features and actions."""

from __future__ import annotations

from math import isinf
from typing import TYPE_CHECKING, ClassVar, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
    """How an observation row of plain numbers is laid out, in a world without tokens.

    Attributes:
        shape: the dims of one observation.
        dtype: its dtype, one of `DTYPES`.
    """

    DTYPES: ClassVar[tuple[str, ...]] = ("float32", "float64", "uint8", "int8", "int16", "int32", "int64", "bool")

    shape: tuple[int, ...] = attrs.field(converter=_sizes)
    dtype: str = "float32"


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(names)


def _bounds(values: Iterable[float | None]) -> tuple[float | None, ...]:
    return tuple(None if value is None or isinf(value) else float(value) for value in values)


@attrs.frozen(kw_only=True)
class ActionSpec:
    """What an agent does in a step, in one of three kinds; everything in it has a name.

    * discrete: one of `names`;
    * multi-discrete: one option of each of several choices. `choices` says how many of the names belong to each, in
      turn; the name of an option starts with its choice, as in `move:north`;
    * continuous: a number for each name, from `low` to `high` (None where there is no bound).
    """

    names: tuple[str, ...] = attrs.field(converter=_names)
    choices: tuple[int, ...] = attrs.field(default=(), converter=_sizes)
    low: tuple[float | None, ...] = attrs.field(default=(), converter=_bounds)
    high: tuple[float | None, ...] = attrs.field(default=(), converter=_bounds)

    @property
    def kind(self) -> Literal["discrete", "multi-discrete", "continuous"]:
        """What an action is."""
        if self.choices:
            return "multi-discrete"
        return "continuous" if self.low or self.high else "discrete"

    @property
    def shape(self) -> tuple[int, ...]:
        """The dims of an action of one row, which has none, one a choice, or one a number."""
        return {"discrete": (), "multi-discrete": (len(self.choices),), "continuous": (len(self.names),)}[self.kind]

    @property
    def dtype(self) -> str:
        """The dtype of an action."""
        return "float32" if self.kind == "continuous" else "int64"

    def contradictions(self) -> Iterator[str]:
        """Yield what is wrong with it."""
        if not self.names:
            yield "it offers no actions"
        if self.choices and (self.low or self.high):
            yield "actions are choices or have bounds, not both"
        if self.choices and (min(self.choices) < 1 or sum(self.choices) != len(self.names)):
            yield f"actions.choices {list(self.choices)} must be at least 1 each, {len(self.names)} names in all"
        if self.low or self.high:
            if not len(self.low) == len(self.high) == len(self.names):
                sizes = f"{len(self.low)} lower and {len(self.high)} upper bounds"
                yield f"there are {sizes} for {len(self.names)} actions; one of each a name"
            for name, low, high in zip(self.names, self.low, self.high, strict=False):
                if low is not None and high is not None and not low < high:
                    yield f"action {name!r} goes from {low} to {high}; the lower bound comes first"
