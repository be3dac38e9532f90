"""The second pass: raw fields become a config, scalars structured strictly, every bad field reported."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import attrs

from glulam.faults import Fault, suggestion
from glulam.keys import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    import cattrs

    from glulam.resolver._draft import DraftLayer

__all__ = ["invalid_fields", "structure_fields", "structure_layer"]


def structure_layer(layer: DraftLayer, faults: list[Fault]) -> None:
    """Give a drafted layer its config, or report why it has none."""
    if layer.config is not None or layer.cls is None:
        return
    if not attrs.has(layer.cls):
        try:
            layer.config = layer.cls(**layer.raw)
        except Exception as error:  # noqa: BLE001 - a stranger's constructor may raise anything
            faults.append(layer.fault("GL104", f"{type(error).__name__}: {error}", "mend the fields"))
        return
    found = structure_fields(layer.cls, layer.raw)
    if isinstance(found, list):
        faults += [layer.fault(code, message, remedy, *field, key=key) for code, message, remedy, field, key in found]
    else:
        layer.config = found


Problem = tuple[str, str, str, tuple[str, ...], bool]


def structure_fields(cls: type, raw: dict[str, Any]) -> Any:  # noqa: ANN401 - a config, or a list of problems
    """Return `cls` made from raw fields, or all that is wrong as `(code, message, remedy, field, at key)`."""
    attrs.resolve_types(cls)
    fields = {field.alias or field.name: field for field in attrs.fields(cls) if field.init}
    problems: list[Problem] = [
        ("GL102", f"unknown field {name!r}", _known(name, list(fields)), (name,), True)
        for name in raw
        if name not in fields
    ]
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in raw:
            if field.default is attrs.NOTHING:
                problems.append(("GL103", f"the field {name!r} is missing", f"add '{name}: ...'", (), False))
            continue
        try:
            values[name] = _structure(field, raw[name])
        except Exception as error:  # noqa: BLE001 - hooks of foreign types may raise anything
            problems.append(("GL104", f"{name}: {_reason(error)}", _expected(field), (name,), False))
    if problems:
        return problems
    with attrs.validators.disabled():
        try:
            config = cls(**values)
        except Exception as error:  # noqa: BLE001 - a converter or __attrs_post_init__ may raise anything
            return [("GL104", f"{type(error).__name__}: {error}", "change the fields that it names", (), False)]
    problems = list(invalid_fields(config))
    return problems or config


def invalid_fields(config: Any) -> Iterator[Problem]:  # noqa: ANN401 - an attrs instance
    """Yield what the validators of a config object to, all of it."""
    for field in attrs.fields(type(config)):
        if field.validator is None:
            continue
        try:
            field.validator(config, field, getattr(config, field.name))
        except Exception as error:  # noqa: BLE001 - validators may raise anything
            yield "GL104", _reason(error), f"change {field.name!r}", (field.name,), False


def _structure(field: attrs.Attribute[Any], value: object) -> Any:  # noqa: ANN401 - the field's type
    spec = field.metadata.get(KEY)
    if spec is None:
        return _converter().structure(value, field.type or Any)
    if spec.many:
        if not isinstance(value, list) or not all(isinstance(key, str) and key for key in value):
            raise _NotAsDeclaredError(value, "a list of keys")
        return tuple(value)
    if value is None and spec.optional:
        return None
    if not isinstance(value, str) or not value:
        raise _NotAsDeclaredError(value, "a key")
    return value


class _NotAsDeclaredError(TypeError):
    def __init__(self, value: object, wanted: str) -> None:
        super().__init__(f"expected {wanted}, found {value!r}")


@cache
def _converter() -> cattrs.Converter:
    """Return a converter that never changes a scalar's type, but for an int where a float is wanted."""
    import cattrs
    from cattrs.strategies import configure_union_passthrough

    converter = cattrs.Converter(forbid_extra_keys=True)
    for kind in (int, float, str, bool):
        converter.register_structure_hook(kind, _strict(kind))
    configure_union_passthrough(int | float | str | bool | None, converter)
    return converter


def _strict(kind: type) -> Any:  # noqa: ANN401 - a cattrs hook
    wanted = {int: "an integer", float: "a finite number", str: "a string", bool: "true or false"}[kind]

    def structure(value: object, _: type) -> object:
        numeric = kind is float and isinstance(value, (int, float)) and math.isfinite(value)
        if isinstance(value, bool) is not (kind is bool) or not (isinstance(value, kind) or numeric):
            raise _NotAsDeclaredError(value, wanted)
        if kind is float:
            if not numeric:
                raise _NotAsDeclaredError(value, wanted)
            return float(value)  # type: ignore[arg-type]
        return value

    return structure


def _expected(field: attrs.Attribute[Any]) -> str:
    if KEY in field.metadata:
        return "write the name of a key"
    kind = getattr(field.type, "__name__", None) if isinstance(field.type, type) else None
    return f"write a value of type {kind or field.type}"


def _reason(error: Exception) -> str:
    if isinstance(error, BaseExceptionGroup):
        import cattrs

        return "; ".join(cattrs.transform_error(error))
    return str(error.args[0]) if error.args else repr(error)


def _known(name: str, fields: list[str]) -> str:
    return suggestion(name, fields, f"remove it; there are: {', '.join(fields)}")
