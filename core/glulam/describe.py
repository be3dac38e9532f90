"""What a registered thing is, in plain values: docstring, fields, keys and shapes; for `glulam info` and the schema."""

from __future__ import annotations

import inspect
import re
import types
import typing
from typing import TYPE_CHECKING, Any

import attrs

from glulam.config import LayerConfig, ObsShaperConfig
from glulam.keys import FROM_ENV, KEY

if TYPE_CHECKING:
    from glulam.catalog import Entry

__all__ = ["describe_entry", "docstring", "field_docs", "type_name"]

# A line of the section "Attributes:" in a class's docstring, as the Google style has it.
_ATTRIBUTE = re.compile(r"(\w+)(?: \([^)]*\))?: (.*)")


def describe_entry(entry: Entry) -> dict[str, Any]:
    """Return a registered thing as plain JSON values.

    Raises:
        PluginError: if its plugin does not import.
    """
    from glulam.catalog import SINGULAR, PluginError

    told: dict[str, Any] = {
        "name": entry.name,
        "kind": SINGULAR[entry.point.group],
        "distribution": entry.distribution,
        "version": entry.version,
        "target": entry.point.value,
    }
    resource = entry.resource
    if resource is not None:
        try:
            text = resource.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            code, found = "GL203", f"{entry.qualified} (version {entry.version}): its file cannot be read: {error}"
            raise PluginError(code, found, f"reinstall {entry.distribution}") from error
        return told | {"doc": _comment(text), "file": str(resource)}
    loaded = entry.load()
    told["doc"] = docstring(loaded)
    if isinstance(loaded, type) and attrs.has(loaded):
        told["fields"] = [_field(loaded, field) for field in attrs.fields(attrs.resolve_types(loaded)) if field.init]
        told["role"] = _role(loaded)
    return told


def docstring(thing: object) -> str:
    """Return a docstring without its section on attributes."""
    return _split(thing)[0]


def field_docs(cls: type) -> dict[str, str]:
    """Return what the section "Attributes:" of a class's docstring says of each field, base classes included."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        name = ""
        for line in _split(base)[1]:
            match = _ATTRIBUTE.match(line.strip()) if not line.startswith("        ") else None
            if match:
                name = match[1]
                found[name] = match[2]
            elif name and line.strip():
                found[name] += f" {line.strip()}"
    return found


def type_name(kind: Any) -> str:  # noqa: ANN401 - any annotation
    """Return an annotation as people write it: `int | None`."""
    if kind is None or kind is type(None):
        return "null"
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return " | ".join(map(str, arguments))
    if origin in (typing.Union, types.UnionType):
        return " | ".join(map(type_name, arguments))
    if origin in (list, tuple):
        items = [type_name(item) for item in arguments if item is not ...]
        return f"list of {items[0]}" if len(items) == 1 else f"[{', '.join(items)}]"
    return getattr(kind, "__name__", None) or str(kind)


def _field(cls: type, field: attrs.Attribute[Any]) -> dict[str, Any]:
    from glulam.structure import plain_value

    told: dict[str, Any] = {"name": field.alias or field.name, "type": type_name(field.type)}
    told["required"] = field.default is attrs.NOTHING
    if not told["required"]:
        factory = isinstance(field.default, attrs.Factory)  # type: ignore[arg-type]
        told["default"] = None if factory else plain_value(field.default)
    told["doc"] = field_docs(cls).get(field.name, "")
    spec = field.metadata.get(KEY)
    if spec is not None:
        told["key"] = attrs.asdict(spec)
    if FROM_ENV in field.metadata:
        told["from_env"] = field.metadata[FROM_ENV]
    return told


def _role(cls: type) -> str:
    if issubclass(cls, ObsShaperConfig):
        return "observation shaper"
    return "layer" if issubclass(cls, LayerConfig) else "config"


def _split(thing: object) -> tuple[str, list[str]]:
    own = vars(thing).get("__doc__") if isinstance(thing, type) else None
    text = inspect.cleandoc(own) if own else "" if isinstance(thing, type) else inspect.getdoc(thing) or ""
    before, _, after = text.partition("\nAttributes:\n")
    section, _, rest = after.partition("\n\n")
    return f"{before.rstrip()}\n\n{rest}".rstrip() if rest else before.rstrip(), section.splitlines()


def _comment(text: str) -> str:
    """Return the comment at the head of a policy file."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").removeprefix(" "))
    return "\n".join(lines)
