"""Methods that modules may have, found by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

__all__ = ["outermost_methods"]


def outermost_methods(module: nn.Module, method: str, path: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the path of each outermost module below `module` that has a method, and the bound method."""
    for name, child in module.named_children():
        where = f"{path}.{name}" if path else name
        call = getattr(child, method, None)
        if callable(call):
            yield where, call
        else:
            yield from outermost_methods(child, method, where)
