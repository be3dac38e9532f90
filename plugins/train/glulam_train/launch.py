"""What torchrun says of itself. Imports no torch."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

__all__ = ["launch"]


def launch() -> str | None:
    """Return what tells this start of torchrun from any other, None without torchrun.

    It is the same after each restart: torchrun's run id, or torchrun's process where it was given none.
    """
    run = os.environ.get("TORCHELASTIC_RUN_ID")
    if run != "none":
        return run
    parent, began = os.getppid(), ""
    with suppress(OSError):
        began = Path(f"/proc/{parent}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    return f"process {parent} of {socket.gethostname()} {began}".strip()
