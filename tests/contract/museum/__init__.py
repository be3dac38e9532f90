"""The museum: broken layers, each a small diff from a good one, that a contract suite is judged by.

Nothing is collected before `EXHIBITS` is asked for: a config is to be importable without torch, and alone.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.contract.museum.exhibit import Exhibit

__all__ = ["EXHIBITS", "THEMES"]

THEMES = (
    "keys",
    "rows",
    "sequences",
    "resets",
    "slots",
    "padding",
    "numerics",
    "randomness",
    "gradients",
    "copies",
    "configs",
    "loud",
    "heavy",
    "slow",
    "environments",
    "heads",
    "compiling",
    "repeats",
)


@cache
def _exhibits() -> tuple[Exhibit, ...]:
    themes = (import_module(f"{__name__}.{theme}") for theme in THEMES)
    return tuple(exhibit for theme in themes for exhibit in theme.EXHIBITS)


def __getattr__(name: str) -> tuple[Exhibit, ...]:
    if name == "EXHIBITS":
        return _exhibits()
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
