"""Running a plugin's code so that whatever it does hurts nobody else."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from glulam._errors import GlulamError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PLUGIN_ERRORS", "TooSlowError", "guarded", "import_limit", "told"]

PLUGIN_ERRORS = (Exception, SystemExit)  # what a plugin's code may raise and only its own things suffer from

VARIABLE = "GLULAM_IMPORT_SECONDS"
SECONDS = 10.0
LONGEST = 86_400
AGAIN = 0.2  # code that swallows the first interruption is interrupted again


class TooSlowError(BaseException):
    """A plugin took longer than it may; no `Exception`, so that its own handlers let it pass."""


def import_limit() -> float:
    """Return how many seconds a plugin may take to import: 10, or what `GLULAM_IMPORT_SECONDS` says.

    Raises:
        GlulamError: if that is no positive number.
    """
    text = os.environ.get(VARIABLE, "")
    try:
        seconds = float(text) if text else SECONDS
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= LONGEST:
        msg = f"{VARIABLE} is {text!r}; write a positive number of seconds, at most {LONGEST:,}"
        raise GlulamError(msg)
    return seconds


def told(error: BaseException) -> str:
    """Return an error's type and text; a stranger's error may fail even at that."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - its __str__ may raise anything
        return type(error).__name__


@contextlib.contextmanager
def guarded(seconds: float) -> Iterator[None]:
    """Run a plugin's code: what it prints goes to stderr, and an endless loop is interrupted.

    Raises:
        TooSlowError: after `seconds`, where an alarm can be set: in the main thread, on Unix, if nobody else
            uses it.
    """
    with contextlib.redirect_stdout(sys.stderr), _alarm(seconds):
        yield


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    if not _alarm_is_free():
        yield
        return

    def interrupt(*_: object) -> None:
        raise TooSlowError(f"it did not finish in {seconds:g} s (set {VARIABLE} for more)")  # noqa: EM102, TRY003

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _alarm_is_free() -> bool:
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        return False
    return signal.getsignal(signal.SIGALRM) is signal.SIG_DFL and not signal.getitimer(signal.ITIMER_REAL)[0]
