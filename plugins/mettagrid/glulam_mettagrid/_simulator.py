"""Finding mettagrid: the right version, imported without its side effects."""

from __future__ import annotations

import importlib
import logging
from importlib import metadata

from glulam import GlulamError

__all__ = ["require_mettagrid"]

VERSION = "0.26.22"
REMEDY = f'pip install "mettagrid=={VERSION}"'
WHEELS = "it has wheels for Python 3.11 and 3.12, on Linux with glibc 2.34 or later and on Apple silicon"


def require_mettagrid() -> None:
    """Import mettagrid, or say how to get it.

    Raises:
        GlulamError: if it is missing, of another version, or cannot be imported here.
    """
    try:
        found = metadata.version("mettagrid")
    except metadata.PackageNotFoundError:
        msg = f"mettagrid is not installed: {REMEDY} ({WHEELS})"
        raise GlulamError(msg) from None
    if found != VERSION:
        msg = f"mettagrid {found} is installed, and glulam-mettagrid drives {VERSION}: {REMEDY}"
        raise GlulamError(msg)
    # Importing mettagrid gives the root logger a handler and the level INFO. That is the host's to decide.
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    try:
        importlib.import_module("mettagrid.config.mettagrid_config")
    except ImportError as error:
        msg = f"mettagrid {found} cannot be imported here ({error}); {WHEELS}"
        raise GlulamError(msg) from error
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
