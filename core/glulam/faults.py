"""Faults of a policy, with their places, as a compiler would tell them."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import attrs

from glulam._errors import GlulamError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Fault", "PolicyError"]


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
    """One fault: a stable code, where it is, which layer of which distribution, the rule, and the remedy."""

    code: str
    message: str
    remedy: str
    place: Place = Place()
    layer: str | None = None
    distribution: str | None = None
    severity: str = "error"

    def to_json(self) -> dict[str, Any]:
        """Return the fault as `glulam check --format json` prints it."""
        return {
            "code": self.code,
            "severity": self.severity,
            "line": self.place.line,
            "column": self.place.column,
            "path": self.place.path,
            "layer": self.layer,
            "distribution": self.distribution,
            "message": self.message,
            "remedy": self.remedy,
        }

    def __str__(self) -> str:
        where = self.place.file or "policy"
        if self.place.line is not None:
            where += f":{self.place.line}:{self.place.column}"
        lines = [f"{where}: {self.code} {self.message}"]
        if self.place.source_line is not None and self.place.column is not None:
            lines += ["    " + self.place.source_line, "    " + " " * (self.place.column - 1) + "^"]
        owner = f" from {self.distribution}" if self.distribution else ""
        layer = f", layer {self.layer!r}{owner}" if self.layer else ""
        return "\n".join([*lines, f"  at {self.place.path}{layer}", f"  try: {self.remedy}"])


class PolicyError(GlulamError):
    """A policy that cannot be built; `faults` holds all that is wrong with it."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=_order))
        count = len(self.faults)
        super().__init__("\n\n".join(map(str, self.faults)) + f"\n\n{count} fault{'s' * (count != 1)}")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name closest to a misspelt one, if any is close."""
    return next(iter(get_close_matches(name, sorted(known), n=1, cutoff=0.6)), None)


def suggestion(name: str, known: Sequence[str], otherwise: str) -> str:
    """Return `write 'NEAREST'`, or else what to do instead."""
    close = nearest(name, known)
    return f"write {close!r}" if close else otherwise


def _order(fault: Fault) -> tuple[int, int, str, str]:
    return (fault.place.line or 0, fault.place.column or 0, fault.code, fault.place.path)
