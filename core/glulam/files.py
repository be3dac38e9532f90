"""Files written whole or not at all. Imports no torch."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["replacing"]


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the path of a file to write; it becomes `path` once it is complete and on the disk, or goes if it fails.

    An older file of that name is there until then.

    Args:
        path: the file; what is written at first lies beside it and is called `.NAME.PID.part`.

    Raises:
        OSError: if that is not possible.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
