"""Files written whole or not at all. Imports no torch."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["replacing"]


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the path of a file to write; it becomes `path` once it is complete and on the disk, or goes if it fails.

    An older file of that name is there until then. A link stays one, and what it leads to is replaced; a pipe or a
    device is written to as it is.

    Args:
        path: the file; what is written at first lies beside it and is called `.part.PID.NAME`.

    Raises:
        OSError: if that is not possible, such as where a folder has the name.
    """
    path = Path(os.path.realpath(path))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not path.is_file():
        yield path
        return
    part = path.with_name(f".part.{os.getpid()}.{path.name}")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
