"""What is installed, read from metadata alone: no plugin is imported to learn its names."""

from __future__ import annotations

import os
import re
import sys
from configparser import ConfigParser
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Distribution", "EntryPoint", "find_distributions"]

PREFIX = "glulam."


@attrs.frozen(order=True)
class EntryPoint:
    """One thing that a distribution offers: `group`, `name`, and `value` (`module:attribute`)."""

    group: str
    name: str
    value: str
    distribution: str
    version: str
    location: str


@attrs.frozen
class Distribution:
    """An installed distribution and its glulam entry points."""

    name: str
    version: str
    location: str
    entry_points: tuple[EntryPoint, ...]


def find_distributions(path: Sequence[str] | None = None) -> list[Distribution]:
    """Return the distributions with glulam entry points, sorted by name.

    A distribution seen twice (an editable or symlinked path) counts once: the first on `path` wins, as it does
    when Python imports.
    """
    found: dict[str, Distribution] = {}
    for folder in dict.fromkeys(os.path.realpath(item or ".") for item in (path or sys.path)):
        for info in _metadata_folders(folder):
            name, _, version = info.name.removesuffix(".dist-info").partition("-")
            name = _normalise(name)
            if name not in found:
                entries = tuple(_entry_points(info.path, name, version, folder))
                found[name] = Distribution(name, version, folder, entries)
    return sorted((item for item in found.values() if item.entry_points), key=lambda item: item.name)


def _metadata_folders(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from sorted(
                (entry for entry in entries if entry.name.endswith(".dist-info")), key=lambda entry: entry.name
            )
    except OSError:
        return  # a zip file or a folder that is not there: nothing to find


def _entry_points(info: str, name: str, version: str, location: str) -> Iterator[EntryPoint]:
    try:
        text = Path(info, "entry_points.txt").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return
    if f"[{PREFIX}" not in text:
        return
    parser = ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names are case-sensitive
    parser.read_string(text)
    for group in parser.sections():
        if group.startswith(PREFIX):
            for key, value in parser.items(group):
                yield EntryPoint(group.removeprefix(PREFIX), key, value.strip(), name, version, location)


def _normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
