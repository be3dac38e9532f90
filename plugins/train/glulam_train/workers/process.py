"""A worker as the process that started it sees it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from glulam import GlulamError
from glulam_train.workers.channel import FAILED, MESSAGE, ClosedError, read_byte, read_message, send_message

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["WorkerError", "WorkerProcess"]

# What this process can import the worker can too.
START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from glulam_train.workers.child import main; main()"
SECONDS_TO_END = 5.0
BETWEEN = "between two steps"


class WorkerError(GlulamError):
    """An error whose message names the worker in which it was, or which is no more."""


class WorkerProcess:
    """One worker.

    Args:
        name: for messages, such as `worker 0 of 2`.
        files: descriptors of the memory of each group.

    Raises:
        GlulamError: where a process cannot be given descriptors, as on Windows.
    """

    def __init__(self, name: str, files: Sequence[int]) -> None:
        if os.name != "posix":
            msg = "environment workers need a POSIX system: write env_workers: 0"
            raise GlulamError(msg)
        self.name = name
        self.channel, theirs = socket.socketpair()
        given = (theirs.fileno(), *files)
        self.process = subprocess.Popen(  # noqa: S603 - this Python, and descriptors of ours
            [sys.executable, "-P", "-c", START, json.dumps(sys.path), *map(str, given)],
            stdin=subprocess.PIPE,  # never written to: it ends when this process does
            pass_fds=given,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C reaches this process alone, which needs its workers to save a point
        )
        theirs.close()
        self._asked = 0  # how often; what comes back has the number of the last that was read there
        self._done: set[int] = set()
        self.close = weakref.finalize(self, _end, self.process, self.channel)

    def hang_up(self) -> None:
        """Ask it to end, to be followed by `close`, which waits for that and sees to it."""
        with suppress(OSError):
            self.channel.shutdown(socket.SHUT_RDWR)

    def ask(self, **message: Any) -> None:  # noqa: ANN401 - what JSON holds
        """Send a message, to be followed by `answer`; what was asked or begun before is forgotten."""
        self._done.clear()
        self._asked += 1
        self._say(lambda: send_message(self.channel, {"number": self._asked} | message), BETWEEN)

    def answer(self) -> dict[str, Any]:
        """Return the answer to what was asked.

        Raises:
            WorkerError: if the worker met an error, or is no more.
        """
        while True:
            if self._hear(BETWEEN) == MESSAGE:
                found = read_message(self.channel)
                if found.pop("number") == self._asked:
                    return found

    def begin(self, code: int, when: str) -> None:
        """Have a group stepped or restarted, to be followed by `finish`."""
        self._say(lambda: self.channel.sendall(bytes([code])), when)

    def finish(self, code: int, when: str) -> None:
        """Wait until that is done.

        Raises:
            WorkerError: if the worker met an error, or is no more.
        """
        while code not in self._done:
            self._done.add(self._hear(when))
        self._done.remove(code)

    def _say(self, send: Any, when: str) -> None:  # noqa: ANN401 - a call
        try:
            send()
        except (ClosedError, OSError):
            self._lost(when)

    def _hear(self, when: str) -> int:
        try:
            code = read_byte(self.channel)
            if code == FAILED:
                told = read_message(self.channel)
                if told["number"] == self._asked:
                    self._failed(told)
        except ClosedError:
            self._lost(when)
        return code

    def _failed(self, told: dict[str, Any]) -> NoReturn:
        if told["ours"]:
            msg = f"{told['text']} (in {self.name})"
            raise WorkerError(msg)
        place = f" ({told['place']})" if told["place"] else ""
        msg = (
            f"environment {told['uri']!r} failed in {self.name}, {told['task']}, with {told['type']}: {told['text']}"
            f"{place}; the last checkpoint is intact\n{told['traceback'].rstrip()}"
        )
        raise WorkerError(msg)

    def _lost(self, when: str) -> NoReturn:
        try:
            code = self.process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            how = "has closed its channel"
        else:
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"has ended with exit code {code}"
        msg = f"environment {self.name} {how} {when}; the last checkpoint is intact"
        raise WorkerError(msg)


def _end(process: subprocess.Popen[bytes], channel: socket.socket) -> None:
    """Give a worker some time to close its environments, and see to it that it ends."""
    channel.close()
    try:
        process.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin is not None:
        process.stdin.close()
