"""Remembering what is computed from a class for as long as the class lives."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["per_class"]

T = TypeVar("T")


def per_class(function: Callable[[type], T]) -> Callable[[type], T]:
    """Let a function of a class compute its result once; `functools.cache` would keep the class alive."""
    results: WeakKeyDictionary[type, T] = WeakKeyDictionary()

    @wraps(function)
    def remembered(cls: type) -> T:
        try:
            return results[cls]
        except KeyError:
            return results.setdefault(cls, function(cls))

    return remembered
