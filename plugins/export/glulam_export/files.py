"""Files written whole or not at all."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import glulam
from glulam import GlulamError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["named", "write"]


def named(out: Path, suffix: str) -> Path:
    """Return the path with a suffix, unless it has it already.

    Raises:
        GlulamError: if it names a folder.
    """
    if not out.name:
        msg = f"{out} is a folder: name a file"
        raise GlulamError(msg)
    return out if out.suffix == suffix else out.with_name(out.name + suffix)


def write(files: Mapping[Path, bytes]) -> list[Path]:
    """Write files, each in place of an older one once all of them are complete; return their paths.

    Raises:
        GlulamError: if one cannot be written; older files are as they were then.
    """
    try:
        with contextlib.ExitStack() as stack:
            for path, blob in files.items():
                stack.enter_context(glulam.replacing(path)).write_bytes(blob)
    except OSError as error:
        msg = f"cannot write {next(iter(files))}: {error.strerror}"
        raise GlulamError(msg) from error
    return list(files)
