"""Files written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from glulam import GlulamError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["named", "write"]


def named(out: Path, suffix: str) -> Path:
    """Return the path with a suffix, unless it has it already."""
    return out if out.suffix == suffix else out.with_name(out.name + suffix)


def write(files: Mapping[Path, bytes]) -> list[Path]:
    """Write files, each in place of an older one, once all of them are on the disk; return their paths.

    Raises:
        GlulamError: if one cannot be written; no file is there then that was not before.
    """
    parts = {path.with_name(f".{path.name}.{os.getpid()}.part"): path for path in files}
    try:
        for part, path in parts.items():
            with part.open("wb") as file:
                file.write(files[path])
                file.flush()
                os.fsync(file.fileno())
        for part, path in parts.items():
            part.replace(path)
    except OSError as error:
        for part in parts:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        msg = f"cannot write {next(iter(files))}: {error.strerror}"
        raise GlulamError(msg) from error
    return list(files)
