"""The laws of the contract: what each says, to which layers it applies, and how it is looked into."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import DataObject

    from glulam.testing._case import Case

    Check: TypeAlias = Callable[[Case, DataObject], None]
    Asks: TypeAlias = Callable[[Case], str | None]

__all__ = ["LAWS", "BrokenLawError", "Law", "expect", "law"]


class BrokenLawError(AssertionError):
    """A layer does not keep a law; the message says what was done, what was expected, and what was found."""


@attrs.frozen(eq=False)
class Law:
    """One property of layers.

    Attributes:
        name: what an exemption calls it.
        says: the law, in one sentence.
        check: looks into one case, and raises `BrokenLawError`.
        excuse: why the law has nothing to say of a layer; None where it applies.
        slow: whether it takes so long that the quick level leaves it out.
        draws: whether it draws more than the case, such as which episodes end.
        examples: how many cases are looked into at most; None for as many as the level says.
    """

    name: str
    says: str
    check: Check
    excuse: Asks
    slow: bool = False
    draws: bool = False
    examples: int | None = None


LAWS: dict[str, Law] = {}


def _always(case: Case) -> str | None:
    del case
    return None


def law(
    says: str, *, unless: Asks | None = None, slow: bool = False, draws: bool = False, examples: int | None = None
) -> Callable[[Check], Check]:
    """Register a function as the law of its name."""

    def register(check: Check) -> Check:
        LAWS[check.__name__] = Law(check.__name__, says, check, unless or _always, slow, draws, examples)
        return check

    return register


def expect(*, holds: bool, otherwise: str) -> None:
    """Raise `BrokenLawError` unless something holds."""
    if not holds:
        raise BrokenLawError(otherwise)
