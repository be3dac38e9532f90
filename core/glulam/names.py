"""What becomes of the names of a world: what a layer that goes by names reports of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["NameReport"]


@attrs.frozen(kw_only=True)
class NameReport:
    """How the names that a layer knows and those of the world that it is in meet.

    A layer that finds things by name has up to three methods, which the policy calls by name:
    `initialize_to_environment(env, device)` maps what it knows, `learn_names(env)` (before that) gives the names of a
    world that it does not know rows of their own, and `name_report()` returns this.

    Attributes:
        mapped: names that it knows and the world has.
        masked: names that the world has and it does not know: never seen, or never done.
        absent: names that it knows and the world lacks.
    """

    mapped: tuple[str, ...]
    masked: tuple[str, ...]
    absent: tuple[str, ...]

    @classmethod
    def of(cls, known: Iterable[str], present: Iterable[str]) -> Self:
        """Return the report of a layer that knows `known` in a world that has `present`."""
        known, present = tuple(known), tuple(present)
        here, there = set(known), set(present)
        return cls(
            mapped=tuple(name for name in present if name in here),
            masked=tuple(name for name in present if name not in here),
            absent=tuple(name for name in known if name not in there),
        )
