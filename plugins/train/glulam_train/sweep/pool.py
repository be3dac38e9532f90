"""Runs as processes, so many at a time, each after the one that it waits for. Imports no torch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from glulam import GlulamError
from glulam_train.sweep.disk import STDERR, is_finished, note_exit, writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import FrameType

    from glulam_train.sweep.plan import Cell, Key

__all__ = ["Pool", "Watcher"]

START = "from glulam_train.sweep.child import main; main()"
SECONDS_BETWEEN_LOOKS = 0.1
SECONDS_TO_SAVE = 60.0  # for runs under way when there is an error
AT_ONCE = 2  # signals


class Watcher(Protocol):
    """Is told what happens to runs."""

    def started(self, cell: Cell) -> None:
        """Take note of a run that begins or goes on."""

    def ended(self, cell: Cell, state: str) -> None:
        """Take note of a run that is `finished`, `failed`, `stopped` before its end, or `skipped`."""

    def looked(self, running: Sequence[Cell]) -> None:
        """Show how far the runs under way are; called several times a second."""


class Pool:
    """Runs what is to be run; a context manager, which takes Ctrl-C and SIGTERM.

    The first signal asks every run to save a point and end, as an error does; a second ends them at once. `problems`
    says which runs have ended without a note of how they did.

    Args:
        jobs: processes at a time.
        folder: where they run: paths in settings are relative to it.
        watcher: is told what happens.
    """

    def __init__(self, jobs: int, folder: Path, watcher: Watcher) -> None:
        self.jobs, self.folder, self.watcher = jobs, folder, watcher
        self.stopped: str | None = None
        self.problems: list[str] = []
        self._signals = 0
        self._asked: set[Key] = set()
        self._running: dict[Key, tuple[Cell, subprocess.Popen[bytes]]] = {}

    def run(self, cells: Sequence[Cell]) -> dict[Key, str]:
        """Run them all and return their states; those that a signal kept from starting are left out.

        What a run waits for and is not among the cells is finished.

        Raises:
            GlulamError: if the folder of a run that is to start cannot be written.
        """
        states: dict[Key, str] = {}
        waiting = list(cells)
        with self._interruptible():
            try:
                while self._running or (waiting and self.stopped is None):
                    self._start_some(waiting, states)
                    self._pass_signals_on()
                    self._look(states)
                    self.watcher.looked([cell for cell, _ in self._running.values()])
                    time.sleep(SECONDS_BETWEEN_LOOKS)
            finally:
                self._leave()
        return states

    def _start_some(self, waiting: list[Cell], states: dict[Key, str]) -> None:
        for cell in list(waiting):
            before = "finished" if cell.after is None else states.get(cell.after, "finished")
            if before != "finished":
                waiting.remove(cell)
                self._end(cell, "skipped", states)
            elif (
                self.stopped is None and len(self._running) < self.jobs and not self._is_under_way(cell.after, waiting)
            ):
                waiting.remove(cell)
                self._start(cell)

    def _is_under_way(self, key: Key | None, waiting: Iterable[Cell]) -> bool:
        return key is not None and (key in self._running or key in {cell.key for cell in waiting})

    def _start(self, cell: Cell) -> None:
        with writing(cell.folder):
            note_exit(cell, None)
            errors = (cell.folder / STDERR).open("wb")
        with errors:
            process = subprocess.Popen(  # noqa: S603 - this Python, and a folder of ours
                [sys.executable, "-P", "-c", START, "train", "--resume", str(cell.folder)],
                stdin=subprocess.PIPE,  # never written to: it ends when this process does
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd=self.folder,
                env=_environment(cell),
                start_new_session=True,  # Ctrl-C reaches this process alone, which asks each run once
            )
        self._running[cell.key] = cell, process
        self.watcher.started(cell)

    def _pass_signals_on(self) -> None:
        if self._signals >= AT_ONCE:
            for _, process in self._running.values():
                process.kill()
        elif self._signals:
            self._ask_to_save()

    def _ask_to_save(self) -> None:
        for key, (_, process) in self._running.items():
            if key not in self._asked:  # a second signal would not let it
                self._asked.add(key)
                process.terminate()

    def _leave(self) -> None:
        """Have the runs save that an error leaves under way, and end those that have not in time."""
        self._ask_to_save()
        processes = [process for _, process in self._running.values()]
        deadline = time.monotonic() + SECONDS_TO_SAVE
        while self._signals < AT_ONCE and time.monotonic() < deadline and any(p.poll() is None for p in processes):
            time.sleep(SECONDS_BETWEEN_LOOKS)
        for process in processes:
            process.kill()
            process.wait()
            _let_go(process)

    def _look(self, states: dict[Key, str]) -> None:
        for key, (cell, process) in list(self._running.items()):
            code = process.poll()
            if code is None:
                continue
            _let_go(process)
            del self._running[key]
            cut_short = code < 0 and self.stopped is not None  # we did that
            if not cut_short:
                self._note_exit(cell, code)
            failed = code != 0 and not cut_short
            self._end(cell, "failed" if failed else "finished" if is_finished(cell) else "stopped", states)

    def _note_exit(self, cell: Cell, code: int) -> None:
        """Note how a run ended; where that cannot be noted it counts as unfinished, and the others go on."""
        try:
            with writing(cell.folder):
                note_exit(cell, code)
        except GlulamError as error:
            self.problems.append(str(error))

    def _end(self, cell: Cell, state: str, states: dict[Key, str]) -> None:
        states[cell.key] = state
        self.watcher.ended(cell, state)

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
            yield
            return
        before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _ask(self, number: int, _: FrameType | None) -> None:
        self._signals += 1
        self.stopped = self.stopped or signal.Signals(number).name


def _let_go(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()


def _environment(cell: Cell) -> dict[str, str]:
    """Return what a run's process sees: as many threads as its settings say, and paths that hold in any folder."""
    paths = [str(Path(path).absolute()) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return os.environ | {"OMP_NUM_THREADS": str(cell.settings.threads or 1), "PYTHONPATH": os.pathsep.join(paths)}
