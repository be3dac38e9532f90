"""Raw fields become a config, scalars structured strictly, every bad field told; and configs become raw fields."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from glulam._per_class import per_class
from glulam._unknown import UNKNOWN, UnknownError, holds_unknown
from glulam.faults import nearest, shorten, suggestion
from glulam.keys import KEY, IndivisibleError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import cattrs

__all__ = ["Problem", "invalid_fields", "plain_fields", "plain_value", "structure_fields"]

T = TypeVar("T")


@attrs.frozen
class Problem:
    """What is wrong with one field: a fault that has no place yet (`field` None: the config as a whole)."""

    code: str
    message: str
    remedy: str
    field: str | None = None
    at_key: bool = False


def structure_fields(
    cls: type[T], raw: Mapping[str, Any], given: Mapping[str, Any] | None = None
) -> tuple[T | None, list[Problem]]:
    """Return `cls` made from raw fields, and all that is wrong with them.

    A field that is wrong is `UNKNOWN` in the config; there is none where the class will not have that.
    """
    try:
        fields = _fields(cls)
    except Exception as error:  # noqa: BLE001 - evaluating a stranger's annotations may raise anything
        found = f"the annotations of {cls.__name__} cannot be evaluated: {type(error).__name__}: {error}"
        return None, [Problem("GL203", found, "import at run time what the annotations of fields name")]
    unknown = [name for name in raw if name not in fields]
    problems = [
        Problem("GL102", f"unknown field {shorten(repr(name))}", _known(str(name), list(fields)), name, at_key=True)
        for name in unknown
    ]
    # A misspelt field is taken for the one that is meant, so that what depends on it is no second fault.
    meant = {nearest(str(name), fields): name for name in unknown}
    values: dict[str, Any] = dict(given or {})
    for name, field in fields.items():
        if name in raw:
            try:
                values[name] = UNKNOWN if holds_unknown(raw[name]) else _structure(field, raw[name])
            except Exception as error:  # noqa: BLE001 - hooks of foreign types may raise anything
                values[name] = UNKNOWN
                problems.append(Problem("GL104", f"{name}: {_reason(error)}", _expected(field), name))
        elif name in meant:
            values[name] = _meant(field, raw[meant[name]])
        elif name not in values and field.default is attrs.NOTHING:
            values[name] = UNKNOWN
            problems.append(Problem("GL103", f"the field {name!r} is missing", f"add '{name}: ...'"))
    config = _make(cls, values, problems)
    if config is None:
        return None, problems
    for invalid in invalid_fields(config):
        problems.append(invalid)
        object.__setattr__(config, invalid.field or "", UNKNOWN)
    return config, problems


def _meant(field: attrs.Attribute[Any], value: object) -> Any:  # noqa: ANN401 - the field's type
    try:
        return UNKNOWN if holds_unknown(value) else _structure(field, value)
    except Exception:  # noqa: BLE001 - as above; that the field is unknown is reported already
        return UNKNOWN


def _make(cls: type[T], values: dict[str, Any], problems: list[Problem]) -> T | None:
    with attrs.validators.disabled():
        try:
            return cls(**values)
        except UnknownError:
            return None  # a converter or __attrs_post_init__ looked at a field whose fault is reported
        except Exception as error:  # noqa: BLE001 - likewise they may raise anything
            found = f"{type(error).__name__}: {error}"
            problems.append(Problem("GL104", found, "change the fields that it names"))
            return None


@per_class
def _fields(cls: type) -> dict[str, attrs.Attribute[Any]]:
    """Return the fields that a file may set, by the names that it uses, their types resolved."""
    attrs.resolve_types(cls)
    return {field.alias or field.name: field for field in attrs.fields(cls) if field.init}


def invalid_fields(config: Any) -> Iterator[Problem]:  # noqa: ANN401 - an attrs instance
    """Yield what the validators of a config object to, all of it."""
    for field in attrs.fields(type(config)):
        value = getattr(config, field.name)
        if field.validator is None or value is UNKNOWN:
            continue
        try:
            field.validator(config, field, value)
        except UnknownError:
            continue  # it depends on a field whose fault is reported
        except IndivisibleError as error:
            yield Problem("GL403", _reason(error), f"change {field.name!r}, or what it divides", field.name)
        except Exception as error:  # noqa: BLE001 - validators may raise anything
            yield Problem("GL104", _reason(error), f"change {field.name!r}", field.name)


def plain_fields(config: object) -> dict[str, Any]:
    """Return the fields of a config as a policy file holds them; structuring them again gives the config."""
    fields = _fields(type(config)) if attrs.has(type(config)) else {}
    return {name: plain_value(getattr(config, field.name)) for name, field in fields.items()}


def plain_value(value: Any) -> Any:  # noqa: ANN401 - the value of any field
    """Return a value as YAML and JSON hold it."""
    if type(value) in (type(None), bool, int, float, str):
        return value
    if isinstance(value, (tuple, list, set, frozenset)):
        return [plain_value(item) for item in value]
    if isinstance(value, dict):
        return {name: plain_value(item) for name, item in value.items()}
    return _converter().unstructure(value)


def _structure(field: attrs.Attribute[Any], value: object) -> Any:  # noqa: ANN401 - the field's type
    spec = field.metadata.get(KEY)
    if spec is None:
        return _converter().structure(value, field.type or Any)
    if spec.many:
        if not isinstance(value, (list, tuple)) or not all(isinstance(key, str) and key for key in value):
            raise _NotAsDeclaredError(value, "a list of keys")
        return tuple(value)
    if value is None and spec.optional:
        return None
    if not isinstance(value, str) or not value:
        raise _NotAsDeclaredError(value, "a key")
    return value


class _NotAsDeclaredError(TypeError):
    def __init__(self, value: object, wanted: str) -> None:
        super().__init__(f"expected {wanted}, found {shorten(repr(value))}")


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
