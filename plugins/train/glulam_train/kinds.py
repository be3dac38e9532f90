"""Kinds of settings: how a value is read from YAML or a command line, what it may be, and how to say so."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from glulam import GlulamError

__all__ = ["Kind", "choice", "flag", "groups", "kind_of", "losses", "names", "number", "setting", "text", "whole"]

KIND = "glulam_train.kind"


@attrs.frozen
class Kind:
    """A kind of value; `read` turns plain values into it or raises, `accepts` looks at the result.

    Attributes:
        expected: what to write, as messages say it.
        read: turns a plain value into the field's, or raises TypeError or ValueError.
        accepts: whether the result is in range.
        optional: whether null is a value too.
    """

    expected: str
    read: Callable[[Any], Any]
    accepts: Callable[[Any], bool]
    optional: bool = False

    def parse(self, name: str, value: object) -> Any:  # noqa: ANN401 - a value of the kind
        """Return a plain value as one of this kind.

        Raises:
            GlulamError: saying what stands there and what to write.
        """
        if self.optional and value is None:
            return None
        try:
            result = self.read(value)
            accepted = self.accepts(result)
        except (ValueError, TypeError, OverflowError):
            accepted = False
        if not accepted:
            msg = f"{name} is {value!r}: write {self.expected}"
            raise GlulamError(msg)
        return result


def setting(kind: Kind, default: object = attrs.NOTHING) -> Any:  # noqa: ANN401 - a field specifier
    """Declare a field of a kind; wrong values are refused however the object is made."""

    def check(_: object, field: attrs.Attribute[Any], value: object) -> None:
        kind.parse(field.name, value)

    return attrs.field(default=default, validator=check, metadata={KIND: kind})


def kind_of(field: attrs.Attribute[Any]) -> Kind:
    """Return the kind of a field that `setting` declared."""
    kind: Kind = field.metadata[KIND]
    return kind


def whole(least: int, most: int | None = None, *, optional: bool = False) -> Kind:
    """Return whole numbers within bounds."""
    bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
    expected = f"a whole number {bounds}" + (", or null" if optional else "")
    top = math.inf if most is None else most
    return Kind(expected, _integer, lambda value: least <= value <= top, optional)


def number(*, above: float | None = None, least: float = 0.0, most: float | None = None) -> Kind:
    """Return finite numbers within bounds."""
    lower = f"above {above:g}" if above is not None else f"of at least {least:g}"
    bounds = lower if most is None else f"from {least:g} to {most:g}"
    top = sys.float_info.max if most is None else most

    def accepts(value: float) -> bool:
        return (value >= least if above is None else value > above) and value <= top

    return Kind(f"a number {bounds}", _float, accepts)


def text(expected: str, *, optional: bool = False) -> Kind:
    """Return strings that are not empty."""
    told = expected + (", or null" if optional else "")
    return Kind(told, lambda value: value, lambda value: isinstance(value, str) and bool(value.strip()), optional)


def flag() -> Kind:
    """Return true or false."""
    return Kind("true or false", lambda value: value, lambda value: isinstance(value, bool))


def names(*, optional: bool = False) -> Kind:
    """Return lists of names, none twice."""
    told = "a list of names such as [memory, critic], each once" + (", or null" if optional else "")
    return Kind(told, _listed, lambda value: _are_names(value) and bool(value or not optional), optional)


def groups() -> Kind:
    """Return lists of parameter groups, each with its layers and a rate, a decay or both.

    Raises:
        TypeError, ValueError: while it reads, for a group that is none; `Kind.parse` turns them into a message.
    """
    told = "a list such as [{layers: [critic], learning_rate: 3e-4, weight_decay: 0.0}]"
    return Kind(told, lambda value: tuple(_group(item) for item in _listed(value)), lambda value: True)  # noqa: ARG005


def choice(*options: str) -> Kind:
    """Return one of some words."""
    return Kind(" or ".join(options), lambda value: value, lambda value: value in options)


def losses() -> Kind:
    """Return lists of losses, each a name or `{loss: NAME, ...}`, no name twice."""
    return Kind("a list such as [ppo] or [{loss: ppo, clip: 0.1}], each loss once", _losses, _are_losses)


def _integer(value: object) -> int:
    result = _float(value)
    if not result.is_integer():
        raise ValueError(value)
    return int(value) if isinstance(value, int) else int(result)


def _float(value: object) -> float:
    """Read a number; YAML 1.1 readers leave 1e-3 a string, and a bool is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError(value)
    return float(value)


def _group(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not {"layers"} < set(value) <= {"layers", "learning_rate", "weight_decay"}:
        raise TypeError(value)
    layers = _listed(value["layers"])
    rates = {key: _float(number) for key, number in value.items() if key != "layers"}
    if not layers or not _are_names(layers) or not all(0 <= rate < math.inf for rate in rates.values()):
        raise ValueError(value)
    return {"layers": list(layers)} | rates


def _are_names(value: tuple[Any, ...]) -> bool:
    return all(isinstance(name, str) and name for name in value) and len({*value}) == len(value)


def _losses(value: object) -> tuple[Any, ...]:
    return (value,) if isinstance(value, str) else _listed(value)


def _listed(value: object) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise TypeError(value)
    return tuple(value)


def _are_losses(value: tuple[Any, ...]) -> bool:
    names = [loss.get("loss") if isinstance(loss, Mapping) else loss for loss in value]
    return bool(names) and all(isinstance(name, str) and name for name in names) and len({*names}) == len(names)
