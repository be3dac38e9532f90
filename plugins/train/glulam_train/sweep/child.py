"""The process of one run: `glulam train`, which ends at once when the sweep that started it is no more."""

from __future__ import annotations

import os
import sys
import threading

__all__ = ["main"]

ORPHANED = 75  # EX_TEMPFAIL: try again later


def main() -> None:
    """Run the command line; stdin is a pipe whose other end only the sweep holds, so that its end is the sweep's."""
    threading.Thread(target=_watch, daemon=True).start()
    from glulam.cli import main as glulam

    glulam()


def _watch() -> None:
    os.read(sys.stdin.fileno(), 1)
    os._exit(ORPHANED)  # as kill -9 would: what is half written is resumed from the last whole point
