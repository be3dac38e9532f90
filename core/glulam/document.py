"""A policy file as plain values plus the place of each: YAML 1.2 scalars, no tags, no surprises."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import attrs
import yaml

from glulam.faults import Fault, Place, PolicyError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Document", "format_path", "read_document"]

MAX_BYTES = 1 << 20
MAX_NODES = 200_000  # far above any real policy; what an anchor bomb expands to is far above this
MAX_DEPTH = 60  # likewise; an anchor inside itself is endlessly deep

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INF_NAN = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}
_CONSTANTS = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    word: value for value, words in ((True, "true True TRUE"), (False, "false False FALSE")) for word in words.split()
}

PathParts = tuple[str | int, ...]


def format_path(parts: PathParts, root: str = "$") -> str:
    """Return `("layers", 3, "name")` as `$.layers[3].name`."""
    return root + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)


@attrs.define
class Document:
    """The value of a policy file and where each part of it stands."""

    value: Any
    file: str | None = None
    lines: list[str] = attrs.field(factory=list)
    keys: dict[PathParts, tuple[int, int]] = attrs.field(factory=dict)
    values: dict[PathParts, tuple[int, int]] = attrs.field(factory=dict)
    root: str = "$"

    def place(self, *parts: str | int, key: bool = False) -> Place:
        """Return the place of a value (or of its key); of its nearest parent where it has none of its own."""
        path = format_path(parts, self.root)
        marks = self.keys if key else self.values
        mark = marks.get(parts)
        upper = parts
        while mark is None and upper:
            upper = upper[:-1]
            mark = self.values.get(upper)
        if mark is None:
            return Place(path=path, file=self.file)
        line, column = mark
        source = self.lines[line] if line < len(self.lines) else ""
        return Place(path=path, file=self.file, line=line + 1, column=column + 1, source_line=source)


def read_document(path: Path) -> Document:
    """Read a policy file.

    Raises:
        PolicyError: GL101 for YAML that does not parse, GL105 for a duplicate key, GL107 for a file that is
            unreadable, too large, not UTF-8, tagged, or explodes through its anchors.
    """
    document = Document(value=None, file=str(path))
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise _refuse(document, "GL107", f"cannot read the file: {error.strerror}", "check the path") from error
    if len(raw) > MAX_BYTES:
        found = f"the file holds {len(raw):,} bytes; a policy file holds at most {MAX_BYTES:,}"
        raise _refuse(document, "GL107", found, "split the policy, or write it as a Python config")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refuse(document, "GL107", f"the file is not UTF-8: {error}", "save it as UTF-8") from error
    document.lines = text.split("\n")
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if mark is not None:
            document.values[()] = (mark.line, mark.column)
        raise _refuse(document, "GL101", f"not YAML: {error.problem or error.context}", "mend the syntax") from error
    except yaml.YAMLError as error:
        raise _refuse(document, "GL101", f"not YAML: {error}", "mend the syntax") from error
    except RecursionError as error:
        raise _refuse(document, "GL107", "the file nests too deep to be read", "flatten it") from error
    _Reader(document).read(node)
    return document


def _refuse(document: Document, code: str, message: str, remedy: str) -> PolicyError:
    return PolicyError([Fault(code=code, message=message, remedy=remedy, place=document.place())])


class _Reader:
    """Turns composed nodes into values, noting where each stands."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.nodes = 0
        self.faults: list[Fault] = []

    def read(self, node: yaml.Node | None) -> None:
        self.document.value = None if node is None else self._value(node, ())
        if self.faults:
            raise PolicyError(self.faults)

    def _value(self, node: yaml.Node, parts: PathParts) -> Any:  # noqa: ANN401 - any YAML value
        self.document.values.setdefault(parts, (node.start_mark.line, node.start_mark.column))
        self.nodes += 1
        if self.nodes > MAX_NODES:
            found = f"the anchors of the file expand to over {MAX_NODES:,} values"
            raise _refuse(self.document, "GL107", found, "write the values out, or use fewer aliases")
        if len(parts) > MAX_DEPTH:
            raise _refuse(self.document, "GL107", f"the file nests over {MAX_DEPTH} deep", "flatten it")
        if not node.tag.startswith("tag:yaml.org,2002:") or ":python/" in node.tag:
            self._fault("GL107", f"the tag {node.tag!r} is not allowed", "write plain values", parts)
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, parts)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(child, (*parts, index)) for index, child in enumerate(node.value)]
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, parts: PathParts) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            path = (*parts, key)
            if key in result:
                first = self.document.keys[path][0] + 1
                mark = (key_node.start_mark.line, key_node.start_mark.column)
                self.document.keys[path] = mark
                self._fault(
                    "GL105", f"{key!r} appears twice (first in line {first})", "remove one of them", path, key=True
                )
                continue
            self.document.keys[path] = (key_node.start_mark.line, key_node.start_mark.column)
            result[key] = self._value(value_node, path)
        return result

    def _fault(self, code: str, message: str, remedy: str, parts: PathParts, *, key: bool = False) -> None:
        place = self.document.place(*parts, key=key)
        self.faults.append(Fault(code=code, message=message, remedy=remedy, place=place))


def _scalar(node: yaml.Node) -> Any:  # noqa: ANN401 - any YAML scalar
    """Return a scalar by YAML 1.2's core schema: `1e-3` is a number, `no` a string."""
    text = str(node.value)
    if getattr(node, "style", None):  # quoted or block: always a string
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.fullmatch(text):
        return int(text, 0) if text.startswith(("0o", "0x")) else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return float(_INF_NAN[text.lower()]) if text.lower() in _INF_NAN else text
