"""Texts of a run, written whole or not at all. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import glulam

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["replace_text"]


def replace_text(path: Path, text: str) -> None:
    """Write a file; an older one is there until the new one is complete and on the disk.

    Raises:
        OSError: if that is not possible.
    """
    with glulam.replacing(path) as part:
        part.write_text(text, encoding="utf-8")
