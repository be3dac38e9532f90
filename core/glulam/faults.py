"""Faults of a policy, with their places, as a compiler would tell them."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import attrs

from glulam._errors import GlulamError
from glulam.explain import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Fault", "PolicyError"]

SHORT = 8  # characters of a name in which two slips are one too many to tell what is meant
LONGEST = 100  # characters of a value, and of a source line, that a message shows


@attrs.frozen(kw_only=True)
class Place:
    """Where something stands: the file, the path inside it, and, for text, line and column (from 1)."""

    path: str = "$"
    file: str | None = None
    line: int | None = None
    column: int | None = None
    source_line: str | None = None


@attrs.frozen(kw_only=True)
class Fault:
    """One fault: a stable code, where it is, which layer of which distribution, what was found, and the remedy.

    `severity` is `error`, or `advice` for what a lint says, which stops nothing.

    Attributes:
        code: such as GL304; `glulam explain` has its page.
        message: what was found.
        remedy: what to type next.
        place: file, line and path.
        layer: the name of the layer, if it is one's fault.
        distribution: who supplied that layer.
        evidence: where the measurements that advice rests on are told.
    """

    code: str
    message: str
    remedy: str
    place: Place = Place()
    layer: str | None = None
    distribution: str | None = None
    severity: str = "error"
    evidence: str | None = None

    @property
    def rule(self) -> str | None:
        """The rule that is broken; None for a code that is a plugin's own."""
        return RULES.get(self.code)

    def to_json(self) -> dict[str, Any]:
        """Return the fault as `glulam check --format json` prints it."""
        return {
            "code": self.code,
            "severity": self.severity,
            "file": self.place.file,
            "line": self.place.line,
            "column": self.place.column,
            "path": self.place.path,
            "layer": self.layer,
            "distribution": self.distribution,
            "rule": self.rule,
            "message": self.message,
            "remedy": self.remedy,
            "evidence": self.evidence,
        }

    def __str__(self) -> str:
        where = self.place.file or "policy"
        if self.place.line is not None:
            where += f":{self.place.line}:{self.place.column}"
        advice = "advice: " if self.severity == "advice" else ""
        owner = f" from {self.distribution}" if self.distribution else ""
        layer = f", layer {self.layer!r}{owner}" if self.layer else ""
        reasons = {"rule": self.rule, "evidence": self.evidence}
        why = [f"  {name}: {told}" for name, told in reasons.items() if told]
        lines = [f"{where}: {self.code} {advice}{self.message}", *self._quote(), f"  at {self.place.path}{layer}"]
        return "\n".join([*lines, *why, f"  try: {self.remedy}"])

    def _quote(self) -> list[str]:
        """Return the source line, or the part of a long one around the place, with a caret below."""
        line, column = self.place.source_line, self.place.column
        if line is None or column is None:
            return []
        start = max(0, column - 1 - LONGEST // 2) if len(line) > LONGEST else 0
        shown = line[start : start + LONGEST]
        before, after = "... " * (start > 0), " ..." * (start + LONGEST < len(line))
        # A tab stays a tab, so that the caret stands below its character wherever tabs lead.
        pad = "".join(c if c == "\t" else " " for c in before + line[start : column - 1])
        return [f"    {before}{shown}{after}", f"    {pad}^"]


class PolicyError(GlulamError):
    """A policy that cannot be built; `faults` holds all that is wrong with it."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = in_order(faults)
        count = len(self.faults)
        super().__init__("\n\n".join(map(str, self.faults)) + f"\n\n{count} fault{'s' * (count != 1)}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.faults,)


def in_order(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Return faults file by file, in the order of their lines; those that stand in no file come last."""
    found = list(faults)
    files = {file: number for number, file in enumerate(dict.fromkeys(fault.place.file for fault in found))}

    def order(fault: Fault) -> tuple[bool, int, int, int, str, str]:
        place = fault.place
        return (place.file is None, files[place.file], place.line or 0, place.column or 0, fault.code, place.path)

    return tuple(sorted(found, key=order))


def shorten(text: str, most: int = LONGEST) -> str:
    """Return a text, its middle left out where it is too long to be shown."""
    half = most // 2 - 2
    return text if len(text) <= most else f"{text[:half]} ... {text[-half:]}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name closest to a misspelt one, if any is close."""
    return next(iter(get_close_matches(name, sorted(known), n=1, cutoff=0.6)), None)


def suggestion(name: str, known: Sequence[str], otherwise: str) -> str:
    """Return `write 'NEAREST'`, or else what to do instead."""
    close = nearest(name, known)
    return f"write {close!r}" if close else otherwise


class Suggestions:
    """`suggestion` for a whole file: after the first 50 misspelt names the search, which takes long, is left out."""

    def __init__(self) -> None:
        self._left = 50

    def __call__(self, name: str, known: Sequence[str], otherwise: str) -> str:
        """Return `write 'NEAREST'`, or else what to do instead."""
        self._left -= 1
        return suggestion(name, known, otherwise) if self._left >= 0 else otherwise


def is_slip(name: str, known: str) -> bool:
    """Whether a name is so like a known one that it must be meant: one slip, or two in a long word."""
    return name != known and _edits(name, known) <= (1 if len(name) <= SHORT else 2)


def _edits(one: str, other: str) -> int:
    """Return how many slips turn one text into the other: a character more, less or wrong, or two exchanged."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, mark in enumerate(one, start=1):
        earlier, before, row = before, row, [i]
        for j, theirs in enumerate(other, start=1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (mark != theirs)))
            if i > 1 and j > 1 and (mark, one[i - 2]) == (other[j - 2], theirs):
                row[j] = min(row[j], earlier[j - 2] + 1)
    return row[-1]
