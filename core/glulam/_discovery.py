"""What is installed, read from metadata alone: no plugin is imported to learn its names."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Distribution", "EntryPoint", "find_distributions", "normalise"]

PREFIX = "glulam."
FOLDER = ".dist-info"


@attrs.frozen(order=True)
class EntryPoint:
    """One thing that a distribution offers: `group`, `name`, and `value` (`module:attribute`)."""

    group: str
    name: str
    value: str
    distribution: str
    version: str


@attrs.frozen
class Distribution:
    """An installed distribution and its glulam entry points.

    `shadowed` holds the folders of further copies, which Python would not import.
    """

    name: str
    version: str
    location: str
    entry_points: tuple[EntryPoint, ...]
    shadowed: tuple[str, ...] = ()


def find_distributions(path: Sequence[str] | None = None) -> list[Distribution]:
    """Return the distributions with glulam entry points, sorted by name.

    A distribution seen twice (an editable or symlinked path) counts once: the first on `path` wins, as it does
    when Python imports.
    """
    found: dict[str, Distribution] = {}
    shadowed: dict[str, list[str]] = {}
    for folder in dict.fromkeys(os.path.realpath(item or ".") for item in (path if path is not None else sys.path)):
        for entry in _metadata_folders(folder):
            title, _, version = entry.removesuffix(FOLDER).partition("-")
            name = normalise(title)
            if name in found:
                shadowed.setdefault(name, []).append(os.path.join(folder, entry))  # noqa: PTH118 - read in bulk
            else:
                points = tuple(_entry_points(f"{folder}/{entry}/entry_points.txt", name, version))
                found[name] = Distribution(name, version, folder, points)
    return [
        attrs.evolve(item, shadowed=tuple(shadowed[name])) if name in shadowed else item
        for name, item in sorted(found.items())
        if item.entry_points
    ]


def normalise(name: str) -> str:
    """Return a distribution's name as the packaging standard compares it: `My_Layers` is `my-layers`."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _metadata_folders(folder: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if name.endswith(FOLDER))  # noqa: PTH208 - names are enough
    except OSError:
        return []  # a zip file or a folder that is not there: nothing to find


def _entry_points(file: str, name: str, version: str) -> Iterator[EntryPoint]:
    """Yield the entry points of a metadata file; a line that is none is passed over, as installers do."""
    try:
        with open(file, encoding="utf-8") as lines:  # noqa: PTH123 - hundreds of these: a Path each costs more
            text = lines.read()
    except (OSError, UnicodeDecodeError):
        return
    if f"[{PREFIX}" not in text:
        return
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            group = line.strip("[]").strip()
        elif group.startswith(PREFIX) and "=" in line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            yield EntryPoint(group.removeprefix(PREFIX), key.strip(), value.partition(" [")[0].strip(), name, version)
