"""The errors that glulam raises for a user's mistake; the command line prints them without a traceback."""

from __future__ import annotations

__all__ = ["GlulamError"]


class GlulamError(Exception):
    """Something a user can put right; the message says what was found and what to do."""
