"""The value of a field in which a fault was found: whatever is computed from it is unknown too."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["UNKNOWN", "UnknownError", "holds_unknown"]


class UnknownError(Exception):
    """Something was computed from a field whose fault is reported already, so it is no fault of its own."""


class _Unknown:
    """Refuses every use, comparisons and truth among them, so that no wrong value is derived from it."""

    def __repr__(self) -> str:
        return "<unknown>"

    def __getattr__(self, name: str) -> NoReturn:
        raise UnknownError(name)


def _refuse(*_: Any) -> NoReturn:  # noqa: ANN401 - the operands of any operator
    raise UnknownError


_OPERATIONS = (
    "eq ne lt le gt ge hash bool str format len iter contains getitem call index int float neg pos abs round "
    "add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod rmod pow rpow and rand or ror"
)
for _name in _OPERATIONS.split():
    setattr(_Unknown, f"__{_name}__", _refuse)

UNKNOWN: Any = _Unknown()


def holds_unknown(value: object) -> bool:
    """Whether a value is unknown, or a list or mapping that holds one."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return any(map(holds_unknown, value))
    return value is UNKNOWN
