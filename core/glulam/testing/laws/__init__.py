"""The laws, by what they are about; importing this registers them all in the order in which they are looked into."""

from glulam.testing.laws import (
    compiling,
    copies,
    gradients,
    heads,
    imports,
    keys,
    memory,
    numbers,
    padding,
    repeats,
    rows,
    running,
    worlds,
)

__all__ = [
    "compiling",
    "copies",
    "gradients",
    "heads",
    "imports",
    "keys",
    "memory",
    "numbers",
    "padding",
    "repeats",
    "rows",
    "running",
    "worlds",
]
