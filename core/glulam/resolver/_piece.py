"""One entry of a policy file, before it is looked at."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from glulam.document import Document, PathParts

__all__ = ["NAME", "Piece", "as_entry"]

NAME = re.compile(r"[a-z][a-z0-9_]*")


@attrs.define(eq=False)
class Piece:
    """An entry, where it stands, and which of its fields an extending file has set.

    `given_name` is the name of the layer that it replaces; `is_misplaced` says that nobody knows where it stands.
    """

    role: str
    value: Any
    document: Document
    parts: PathParts
    origins: dict[str, tuple[Document, PathParts]] = attrs.field(factory=dict)
    given_name: str | None = None
    is_misplaced: bool = False

    @property
    def name(self) -> str:
        """The layer's name: the one given, else its role or kind."""
        entry = self.value if isinstance(self.value, dict) else {}
        default = self.role
        if self.role == "layer":
            kind = entry.get("layer")
            default = self.given_name or (kind.rpartition(":")[2] if isinstance(kind, str) else "")
        name = entry.get("name", default)
        return name if isinstance(name, str) else default


def as_entry(value: Any) -> Any:  # noqa: ANN401 - any YAML value
    """Return an entry as a mapping where it is written as a layer's name alone."""
    return {"layer": value} if isinstance(value, str) else value
