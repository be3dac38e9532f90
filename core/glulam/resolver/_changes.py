"""What a policy changes in the one that it extends: `replace`, `remove`, `insert`, `set`, in this order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glulam._unknown import UNKNOWN
from glulam.faults import Suggestions, shorten
from glulam.resolver._piece import Piece, as_entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glulam.document import Document
    from glulam.resolver._outline import Outline

__all__ = ["CHANGES", "apply_changes"]

CHANGES = ("set", "insert", "replace", "remove")
SHOWN = 50  # names that a remedy lists
ENDS = ("obs_shaper", "action_head")


def apply_changes(outline: Outline, value: dict[str, Any], document: Document) -> None:
    """Change an outline as its document says, noting the faults of what cannot be done."""
    if "extends" in value:
        _Changes(outline, value, document).run()


class _Changes:
    def __init__(self, outline: Outline, value: dict[str, Any], document: Document) -> None:
        self.outline, self.value, self.document = outline, value, document
        self.removed: set[str] = set()
        self.suggestions = Suggestions()
        self._pieces: dict[str, Piece] | None = None
        self.tails: dict[Piece, Piece] = {}  # the last layer inserted after each, so that groups keep their order

    def run(self) -> None:
        for name, entry in self._section("replace", dict, "write {LAYER: {layer: NAME, ...}}"):
            self._replace(name, entry)
        for index, name in self._section("remove", list, "write a list of layer names"):
            self._remove(name, "remove", index)
        for index, group in self._section("insert", list, "write [{before: LAYER, layers: [...]}]"):
            self._insert(group, "insert", index)
        for name, value in self._section("set", dict, "write {LAYER.FIELD: VALUE}"):
            self._set(name, value)

    def _section(self, name: str, kind: type, remedy: str) -> Iterator[tuple[Any, Any]]:
        section = self.value.get(name)
        if isinstance(section, kind):
            items = section.items() if isinstance(section, dict) else enumerate(section)  # type: ignore[arg-type]
            yield from list(items)
        elif section is not None:
            self.outline.has_lost = True
            if section is not UNKNOWN:
                self._fault("GL104", f"{name} is {shorten(repr(section))}", remedy, name)

    def _fault(self, code: str, message: str, remedy: str, *parts: str | int, key: bool = False) -> None:
        self.outline.faults.append(self.document.fault(code, message, remedy, *parts, key=key))

    def _find(self, name: Any, *parts: str | int, key: bool = False) -> Piece | None:  # noqa: ANN401 - any YAML value
        if name is UNKNOWN:
            return None
        if self._pieces is None:
            self._pieces = {piece.name: piece for piece in reversed(self.outline.pieces)}
        pieces = self._pieces
        if isinstance(name, str) and name in pieces:
            return pieces[name]
        if isinstance(name, str) and name in self.removed:
            remedy = "leave one of the two out"
            self._fault("GL106", f"changes layer {name!r}, which it removes", remedy, *parts, key=key)
            return None
        if self.outline.lacks_base or not all(pieces):
            return None  # one that could not be read may be the one that is meant
        names = [piece.name for piece in self.outline.pieces]
        shown = ", ".join([*names[:SHOWN], *["..."] * (len(names) > SHOWN)])
        remedy = self.suggestions(shorten(str(name)), names, f"there are: {shown}")
        self._fault("GL106", f"the extended policy has no layer {shorten(str(name))!r}", remedy, *parts, key=key)
        return None

    def _replace(self, name: str, entry: Any) -> None:  # noqa: ANN401 - any YAML value
        piece = self._find(name, "replace", name, key=True)
        if piece is None:
            self._add_misplaced([entry], "replace", given=name)
            return
        piece.value = as_entry(entry)
        piece.document, piece.parts, piece.origins = self.document, ("replace", name), {}
        piece.given_name = name
        self._pieces = None

    def _remove(self, name: Any, *parts: str | int) -> None:  # noqa: ANN401 - any YAML value
        piece = self._find(name, *parts)
        if piece is None:
            return
        if piece.role in ENDS:
            self._fault("GL106", f"removes {name!r}, which every policy has", "replace it instead", *parts)
            return
        self.outline.layers.remove(piece)
        self.removed.add(name)
        self._pieces = None

    def _insert(self, group: Any, *parts: str | int) -> None:  # noqa: ANN401 - any YAML value
        if group is UNKNOWN:
            self.outline.has_lost = True
            return
        sides = [side for side in ("before", "after") if isinstance(group, dict) and side in group]
        if len(sides) != 1 or set(group) - {sides[0], "layers"} or not isinstance(group.get("layers"), list):
            found = f"expected one of 'before' and 'after', and 'layers', found {shorten(repr(group))}"
            self._fault("GL104", found, "write {before: LAYER, layers: [...]}", *parts)
            for name, entries in group.items() if isinstance(group, dict) else ():
                if isinstance(entries, list):
                    self._add_misplaced(entries, *parts, name)
            return
        anchor = self._find(group[sides[0]], *parts, sides[0])
        if anchor is None:
            self._add_misplaced(group["layers"], *parts, "layers")
            return
        self._insert_at(anchor, sides[0], group["layers"], *parts)

    def _add_misplaced(self, entries: list[Any], *parts: str | int, given: str | None = None) -> None:
        """Keep entries whose place is not known, so that what is wrong with themselves is told all the same."""
        self.outline.has_lost = True
        for index, entry in enumerate(entries):
            where = (*parts, given if given is not None else index)
            piece = Piece("layer", as_entry(entry), self.document, where, given_name=given, is_misplaced=True)
            self.outline.layers.append(piece)

    def _insert_at(self, anchor: Piece, side: str, entries: list[Any], *parts: str | int) -> None:
        # The ends are in no list: what comes after the shaper is first, what comes before the head is last.
        layers = self.outline.layers
        if (anchor.role, side) in (("obs_shaper", "before"), ("action_head", "after")):
            self._fault("GL106", f"nothing runs {side} {anchor.name!r}", "name another layer", *parts, side)
            return
        tail = self.tails.get(anchor, anchor) if side == "after" else anchor
        if tail.role in ENDS:
            place = 0 if tail.role == "obs_shaper" else len(layers)
        else:
            place = layers.index(tail) + (side == "after")
        pieces = [
            Piece("layer", as_entry(entry), self.document, (*parts, "layers", index))
            for index, entry in enumerate(entries)
        ]
        layers[place:place] = pieces
        self._pieces = None
        if pieces and side == "after":
            self.tails[anchor] = pieces[-1]

    def _set(self, target: str, value: Any) -> None:  # noqa: ANN401 - any YAML value
        name, _, field = str(target).partition(".")
        if not name or not field:
            self._fault("GL104", f"{shorten(target)!r} is no LAYER.FIELD", "write LAYER.FIELD", "set", target, key=True)
            return
        piece = self._find(name, "set", target, key=True)
        if piece is not None and isinstance(piece.value, dict):
            if field == "name":  # others may go on calling it by its old name in this file
                self._fault("GL106", "a layer's name cannot be set", "replace the layer", "set", target, key=True)
                return
            piece.value = piece.value | {field: value}
            piece.origins = piece.origins | {field: (self.document, ("set", target))}
