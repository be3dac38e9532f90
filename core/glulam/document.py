"""A policy file as plain values plus the place of each: YAML 1.2 scalars, no tags, no surprises."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import yaml

from glulam._unknown import UNKNOWN
from glulam.faults import Fault, Place, PolicyError, shorten

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Document", "format_path", "mapping_document", "read_document", "scalar_value"]

MAX_BYTES = 1 << 20
MAX_NODES = 200_000  # far above any real policy; what an anchor bomb expands to is far above this
MAX_DEPTH = 60  # likewise; an anchor inside itself is endlessly deep
MAX_SCALAR = 4096
MAX_KEY = 256
MAX_BITS = 63

# Its resolver tells no scalar from another, which is ours to do; libyaml's parser is ten times as fast as Python's.
_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_UNTAGGED = {yaml.ScalarNode: "str", yaml.SequenceNode: "seq", yaml.MappingNode: "map"}
_TAG = re.compile(r"(&\S+\s+)?!")
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # where YAML ends a line
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INF_NAN = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}
_CONSTANTS = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    word: value for value, words in ((True, "true True TRUE"), (False, "false False FALSE")) for word in words.split()
}

PathParts = tuple[str | int, ...]


def format_path(parts: PathParts, root: str = "$") -> str:
    """Return `("layers", 3, "name")` as `$.layers[3].name`; what is no plain word is quoted in brackets."""

    def step(part: str | int) -> str:
        if isinstance(part, int):
            return f"[{part}]"
        return f".{part}" if part.isidentifier() else f"[{shorten(part)!r}]"

    return root + "".join(map(step, parts))


@attrs.define
class Document:
    """The value of a policy file, where each part of it stands, and what is wrong with single values of it."""

    value: Any
    file: str | None = None
    lines: list[str] = attrs.field(factory=list)
    keys: dict[PathParts, tuple[int, int]] = attrs.field(factory=dict)
    values: dict[PathParts, tuple[int, int]] = attrs.field(factory=dict)
    root: str = "$"
    faults: list[Fault] = attrs.field(factory=list)

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

    def fault(self, code: str, message: str, remedy: str, *parts: str | int, key: bool = False) -> Fault:
        """Return a fault of the file that belongs to no layer."""
        return Fault(code=code, message=message, remedy=remedy, place=self.place(*parts, key=key))


def read_document(path: Path) -> Document:
    """Read a policy file.

    Faults of single values (GL105 for a duplicate key, GL107 for a tag, a NaN, a value too long) are in the
    document's `faults`, and the values `UNKNOWN`.

    Raises:
        PolicyError: GL101 for YAML that does not parse, GL107 for a file that is unreadable, too large, not
            UTF-8, or explodes through its anchors.
    """
    document = Document(value=None, file=str(path))
    try:
        raw = _start_of(path) if path.is_file() or not path.exists() else None
    except (OSError, ValueError) as error:  # ValueError: a path that holds a NUL
        reason = getattr(error, "strerror", None) or error
        raise _refuse(document, "GL107", f"cannot read the file: {reason}", "check the path") from error
    if raw is None:
        raise _refuse(document, "GL107", "cannot read the file: it is no regular file", "check the path")
    if len(raw) > MAX_BYTES:
        found = f"the file holds {path.stat().st_size:,} bytes; a policy file holds at most {MAX_BYTES:,}"
        raise _refuse(document, "GL107", found, "split the policy, or write it as a Python config")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refuse(document, "GL107", f"the file is not UTF-8: {error}", "save it as UTF-8") from error
    document.lines = _BREAK.split(text)
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if mark is not None:
            document.values[()] = (mark.line, mark.column)
        raise _refuse(document, "GL101", f"not YAML: {error.problem or error.context}", "mend the syntax") from error
    except yaml.YAMLError as error:
        document.values[()] = _place_of(getattr(error, "character", None), document.lines)
        raise _refuse(document, "GL101", f"not YAML: {error}", "mend the syntax") from error
    except RecursionError as error:
        raise _refuse(document, "GL107", "the file nests too deep to be read", "flatten it") from error
    document.value = None if node is None else _Reader(document).value(node, ())
    return document


def _start_of(path: Path) -> bytes:
    """Return a file, or as much of it as shows that it is too large."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def mapping_document(source: Mapping[Any, Any]) -> Document:
    """Return a policy that was made in Python as a document; keys that no file could hold are faults."""
    document = Document(value=None)
    document.value = _plain(source, (), document)
    return document


def _plain(value: Any, parts: PathParts, document: Document) -> Any:  # noqa: ANN401 - any value
    if isinstance(value, Mapping):
        found = {}
        for key, item in value.items():
            if isinstance(key, str):
                found[key] = _plain(item, (*parts, key), document)
            else:
                message = f"a mapping's key is a word, found {shorten(repr(key))}"
                document.faults.append(document.fault("GL104", message, "write a word", *parts))
        return found
    if isinstance(value, (list, tuple)):
        return [_plain(item, (*parts, index), document) for index, item in enumerate(value)]
    return value


def scalar_value(text: str) -> Any:  # noqa: ANN401 - any YAML scalar
    """Return what an unquoted scalar means by YAML 1.2's core schema: `1e-3` is a number, `no` a string."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.fullmatch(text):
        return int(text, 0) if text.startswith(("0o", "0x")) else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return float(_INF_NAN[text.lower()]) if text.lower() in _INF_NAN else text


def _place_of(character: Any, lines: list[str]) -> tuple[int, int]:  # noqa: ANN401 - PyYAML tells a number or text
    """Return line and column of a character that YAML does not allow."""
    mark = chr(character) if isinstance(character, int) else str(character)
    return next(((line, text.index(mark)) for line, text in enumerate(lines) if mark in text), (0, 0))


def _refuse(document: Document, code: str, message: str, remedy: str) -> PolicyError:
    return PolicyError([document.fault(code, message, remedy)])


class _Reader:
    """Turns composed nodes into values, noting where each stands."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.nodes = 0

    def value(self, node: yaml.Node, parts: PathParts) -> Any:  # noqa: ANN401 - any YAML value
        mark = (node.start_mark.line, node.start_mark.column)
        self.document.values.setdefault(parts, mark)
        self.nodes += 1
        if self.nodes > MAX_NODES:
            found = f"the file holds over {MAX_NODES:,} values, those that its anchors repeat among them"
            raise _refuse(self.document, "GL107", found, "write the values out, or use fewer aliases")
        if len(parts) > MAX_DEPTH:
            raise _refuse(self.document, "GL107", f"the file nests over {MAX_DEPTH} deep", "flatten it")
        if self._is_tagged(node, *mark):
            return self._unknown(f"the tag {node.tag!r} is not allowed", "write plain values", parts)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, parts)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*parts, index)) for index, child in enumerate(node.value)]
        return self._scalar(node, parts)  # type: ignore[arg-type]  # what is left is a scalar

    def _is_tagged(self, node: yaml.Node, line: int, column: int) -> bool:
        if node.tag != f"tag:yaml.org,2002:{_UNTAGGED[type(node)]}":
            return True
        first = self.document.lines[line][column : column + 1] if line < len(self.document.lines) else ""
        return first in ("!", "&") and _TAG.match(self.document.lines[line], column) is not None

    def _mapping(self, node: yaml.MappingNode, parts: PathParts) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            mark = (key_node.start_mark.line, key_node.start_mark.column)
            key = key_node.value
            if not isinstance(key, str):
                self.document.keys[*parts, "?"] = mark
                found, remedy = "a mapping's key is a word, found a list or a mapping", "write a word"
                self.document.faults.append(self.document.fault("GL104", found, remedy, *parts, "?", key=True))
                continue
            path = (*parts, key)
            if self._is_tagged(key_node, *mark):
                self.document.keys[path] = mark
                fault = self.document.fault("GL107", "a tag is not allowed", "write a plain word", *path, key=True)
                self.document.faults.append(fault)
            if len(key) > MAX_KEY:
                self.document.keys[path] = mark
                found = f"a key of {len(key):,} characters; a policy file holds at most {MAX_KEY:,} in one"
                self.document.faults.append(self.document.fault("GL107", found, "shorten it", *path, key=True))
                continue
            if key in result:
                found = f"{shorten(key)!r} appears twice (first in line {self.document.keys[path][0] + 1})"
                self.document.keys[path] = mark
                fault = self.document.fault("GL105", found, "remove one of them", *path, key=True)
                self.document.faults.append(fault)
                continue
            self.document.keys[path] = mark
            result[key] = self.value(value_node, path)
        return result

    def _scalar(self, node: yaml.ScalarNode, parts: PathParts) -> Any:  # noqa: ANN401 - any YAML scalar
        text = node.value
        if len(text) > MAX_SCALAR:
            found = f"a value of {len(text):,} characters; a policy file holds at most {MAX_SCALAR:,} in one"
            return self._unknown(found, "shorten it", parts)
        if node.style:  # quoted or block: always a string
            return text
        value = scalar_value(text)
        if isinstance(value, float) and math.isnan(value):
            return self._unknown("a policy file holds no NaN", "write a number", parts)
        if isinstance(value, int) and abs(value) >= 1 << MAX_BITS:
            return self._unknown(f"an integer of over {MAX_BITS} bits", "write a smaller one", parts)
        return value

    def _unknown(self, message: str, remedy: str, parts: PathParts) -> Any:  # noqa: ANN401 - stands for any value
        self.document.faults.append(self.document.fault("GL107", message, remedy, *parts))
        return UNKNOWN
