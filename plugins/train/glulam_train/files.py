"""Files written whole or not at all. Imports no torch."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["replace_text", "replacing"]


def replace_text(path: Path, text: str) -> None:
    """Write a file; an older one is there until the new one is complete and on the disk.

    Raises:
        OSError: if that is not possible.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the path of a file to write; it becomes `path` once it is complete and on the disk, or goes if it fails.

    Raises:
        OSError: if that is not possible.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
