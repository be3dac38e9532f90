"""Raw fields become a config, scalars structured strictly, every bad field told; and configs become raw fields."""

from __future__ import annotations

import math
import typing
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from glulam._guard import PLUGIN_ERRORS, told
from glulam._per_class import per_class
from glulam._unknown import UNKNOWN, UnknownError, holds_unknown
from glulam.faults import nearest, shorten, suggestion
from glulam.keys import KEY, IndivisibleError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import cattrs

__all__ = [
    "Problem",
    "check_fields",
    "invalid_fields",
    "plain_fields",
    "plain_value",
    "reason",
    "structure_fields",
    "structure_strictly",
]

T = TypeVar("T")


@attrs.frozen
class Problem:
    """What is wrong with one field: a fault that has no place yet (`field` None: the config as a whole)."""

    code: str
    message: str
    remedy: str
    field: str | None = None
    at_key: bool = False
    other: str | None = None  # a second field that it is about as well

    def place(self, written: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the field at which the fault is shown: of two the one that is written."""
        fields = [name for name in (self.field, self.other) if name is not None]
        return tuple([name for name in fields if name in written][:1] or fields[:1])


def structure_fields(
    cls: type[T], raw: Mapping[str, Any], given: Mapping[str, Any] | None = None
) -> tuple[T | None, list[Problem]]:
    """Return `cls` made from raw fields, and all that is wrong with them.

    A field that is wrong is `UNKNOWN` in the config; there is none where the class will not have that.
    """
    fields = _fields(cls)
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
            except PLUGIN_ERRORS as error:
                values[name] = UNKNOWN
                problems.append(Problem("GL104", f"{name}: {reason(error)}", _expected(field), name))
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
        except PLUGIN_ERRORS as error:
            problems.append(Problem("GL104", told(error), "change the fields that it names"))
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
            remedy = f"change {field.name!r} or {error.width!r}"
            yield Problem("GL403", reason(error), remedy, field.name, other=error.width)
        except PLUGIN_ERRORS as error:
            yield Problem("GL104", reason(error), f"change {field.name!r}", field.name)


def plain_fields(config: object) -> dict[str, Any]:
    """Return the fields of a config as a policy file holds them; structuring them again gives the config."""
    fields = _fields(type(config)) if attrs.has(type(config)) else {}
    found = {name: (getattr(config, field.name), field.default) for name, field in fields.items()}
    # A default that is not finite could not be read back, and need not be written.
    endless = {n for n, (v, default) in found.items() if isinstance(v, float) and not math.isfinite(v) and v is default}
    return {name: plain_value(value) for name, (value, _) in found.items() if name not in endless}


def check_fields(config: Any) -> list[Problem]:  # noqa: ANN401 - an attrs instance
    """Return what a file could not say in the fields of a config that was made in Python."""
    problems: list[Problem] = []
    for name, field in _fields(type(config)).items():
        value = getattr(config, field.name)
        try:
            _structure(field, list(value) if isinstance(value, tuple) else value)
        except (_NotAsDeclaredError, BaseExceptionGroup) as error:
            if plain_value(value) == (list(value) if isinstance(value, tuple) else value):
                problems.append(Problem("GL104", f"{name}: {reason(error)}", _expected(field), name))
        except PLUGIN_ERRORS:
            continue  # a type that no file can hold, which a Python config may
    return problems or list(invalid_fields(config))


def plain_value(value: Any) -> Any:  # noqa: ANN401 - the value of any field
    """Return a value as YAML and JSON hold it."""
    if type(value) in (type(None), bool, int, float, str):
        return value
    if isinstance(value, (set, frozenset)):
        return sorted(map(plain_value, value), key=repr)
    if isinstance(value, (tuple, list)):
        return [plain_value(item) for item in value]
    if isinstance(value, dict):
        return {name: plain_value(item) for name, item in value.items()}
    return _converter().unstructure(value)


def _structure(field: attrs.Attribute[Any], value: object) -> Any:  # noqa: ANN401 - the field's type
    spec = field.metadata.get(KEY)
    if spec is None:
        from glulam.kinds import is_layer

        # A layer's config among a policy's fields is made already; its field's validator says what else is wrong.
        return value if is_layer(value) else structure_strictly(value, field.type or Any)
    if spec.many:
        if not isinstance(value, (list, tuple)) or not all(isinstance(key, str) and key for key in value):
            raise _NotAsDeclaredError(value, "a list of keys")
        return tuple(value)
    if value is None and spec.optional:
        return None
    if not isinstance(value, str) or not value:
        raise _NotAsDeclaredError(value, "a key")
    return value


def structure_strictly(value: Any, kind: Any) -> Any:  # noqa: ANN401 - any value of any type
    """Return a value of YAML or JSON as a type, no scalar changed into another.

    Raises:
        Exception: whatever cattrs raises, in groups, or what a hook of a foreign type does.
    """
    _refuse_text_for_lists(value, kind)
    return _converter().structure(value, kind)


def _refuse_text_for_lists(value: Any, kind: Any) -> None:  # noqa: ANN401 - any value of any type
    """Refuse what is no list where one is declared: cattrs takes whatever it can iterate over, text too."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (list, tuple, set, frozenset):
        if not isinstance(value, (list, tuple)):
            raise _NotAsDeclaredError(value, "a list")
        kinds = arguments if origin is tuple and arguments[-1:] != (...,) else arguments[:1] * len(value)
        for item, inner in zip(value, kinds, strict=False):
            _refuse_text_for_lists(item, inner)
    elif isinstance(kind, type) and attrs.has(kind) and isinstance(value, dict):
        for name, field in _fields(kind).items():
            if name in value:
                _refuse_text_for_lists(value[name], field.type)


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
        return "write a list of keys" if field.metadata[KEY].many else "write the name of a key"
    kind = getattr(field.type, "__name__", None) if isinstance(field.type, type) else None
    return f"write a value of type {kind or field.type}"


def reason(error: BaseException) -> str:
    """Return what a validator, a hook or cattrs found wrong, without the names of its own classes."""
    if isinstance(error, BaseExceptionGroup):
        import cattrs

        return "; ".join(cattrs.transform_error(error, format_exception=_leaf))
    return str(error.args[0]) if error.args else repr(error)


def _leaf(error: BaseException, kind: Any) -> str:  # noqa: ANN401 - as cattrs calls it
    import cattrs.v

    return str(error) if isinstance(error, _NotAsDeclaredError) else cattrs.v.format_exception(error, kind)


def _known(name: str, fields: list[str]) -> str:
    return suggestion(name, fields, f"remove it; there are: {', '.join(fields)}")
