"""The process of a worker: it steps some copies of an environment in each group whenever it is told to.

It ends with the process that started it: both its channel and its standard input do.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs
import tensordict  # noqa: F401 - before an environment's plug-in needs it, whose import is given some seconds only
import torch

import glulam
from glulam_train.workers.channel import FAILED, MESSAGE, RESTART, ClosedError, read_byte, read_message, send_message
from glulam_train.workers.shared import ACTIONS, BUSY, MARKS, Field, as_plain, map_tensors

if TYPE_CHECKING:
    from collections.abc import Callable

    from tensordict import TensorDict
    from torch import Tensor

    from glulam import Environment

__all__ = ["main"]

ORPHANED = 75  # EX_TEMPFAIL


def main() -> None:
    """Serve until the other side is gone; `sys.argv` has descriptors of the channel and of each group's memory."""
    threading.Thread(target=_watch, daemon=True).start()
    channel, *files = (int(number) for number in sys.argv[2:])
    Worker(socket.socket(fileno=channel), files).serve()
    sys.stdout.flush()
    os._exit(0)  # environments are closed; to take Python and torch apart would take the longer part of a second


def _watch() -> None:
    os.read(sys.stdin.fileno(), 1)  # nobody writes there
    os._exit(ORPHANED)  # also out of a step that never ends


@attrs.define(eq=False)
class Part:
    """The copies of one group that this worker steps; the tensors are its rows in shared memory."""

    environment: Environment
    file: int
    steps: int = 0
    started: TensorDict = attrs.field(init=False)
    shown: dict[str, Tensor] = attrs.field(init=False)
    actions: Tensor = attrs.field(init=False)
    marks: Tensor = attrs.field(init=False)
    busy: Tensor = attrs.field(init=False)

    def reset(self) -> list[Any]:
        """Start anew, and return what is to be shown, as fields."""
        self.started = self.environment.reset()
        rows = self.started.batch_size[0]
        return as_plain(Field.like(str(key), value, rows) for key, value in self.started.items())

    def share(self, fields: list[Field], first: int, worker: int) -> None:
        """Show from now on in some rows of these fields, at first what `reset` has begun with."""
        rows = slice(first, first + self.started.batch_size[0])
        tensors = map_tensors(self.file, fields)
        self.busy = tensors.pop(BUSY)[worker : worker + 1]
        self.actions, self.marks = tensors.pop(ACTIONS)[rows], tensors.pop(MARKS)[rows]
        self.shown = {key: tensor[rows] for key, tensor in tensors.items()}
        for key, value in self.started.items():
            self.shown[str(key)].copy_(value)

    def step(self) -> None:
        """Apply the actions that lie in shared memory."""
        begun = time.perf_counter()
        self.steps += 1
        self._show(self.environment.step(self.actions))
        self.busy += time.perf_counter() - begun

    def restart(self) -> None:
        """Start new episodes in the rows that are marked in shared memory."""
        self._show(self.environment.restart(self.marks))  # type: ignore[attr-defined]

    def _show(self, td: TensorDict) -> None:
        for key, shown in self.shown.items():
            value = td.get(key, None)
            if value is None or value.shape != shown.shape or value.dtype != shown.dtype:
                found = "lacks it" if value is None else f"has it as {value.dtype} {list(value.shape)}"
                msg = f"{key!r} was {shown.dtype} {list(shown.shape)} at first, and a later step {found}"
                raise ValueError(msg)
            if key == "final_obs":
                continue
            if key != "env_id":
                shown.copy_(value)
            elif not torch.equal(value.cpu(), shown):
                msg = "env_id has changed, but an environment has the same rows in the same order at every step"
                raise ValueError(msg)
        if "final_obs" in self.shown:
            ended = (self.shown["dones"] | self.shown["truncateds"]).nonzero().squeeze(1)
            if len(ended):
                self.shown["final_obs"][ended] = td.get("final_obs")[ended].to("cpu")


class Worker:
    """Does what it is told by a channel, and says there what went wrong."""

    def __init__(self, channel: socket.socket, files: list[int]) -> None:
        self.channel, self.files = channel, files
        self.parts: list[Part] = []
        self.number, self.uri, self.task = 0, "", ""

    @torch.no_grad()  # as in a rollout
    def serve(self) -> None:
        """Go on until the other side closes the channel."""
        with suppress(ClosedError):
            while True:
                code = read_byte(self.channel)
                message = read_message(self.channel) if code == MESSAGE else {}
                self.number = message.pop("number", self.number)
                try:
                    answer = self._do(code, message)
                except (Exception, SystemExit) as error:  # noqa: BLE001 - an environment's, which the other side raises
                    send_message(self.channel, self._told(error), FAILED)
                    continue
                if answer is None:
                    self._answer(code)
                else:
                    send_message(self.channel, {"number": self.number} | answer)
        self._close()

    def _answer(self, code: int) -> None:
        try:
            self.channel.sendall(bytes([code]))
        except OSError as error:
            raise ClosedError from error

    def _do(self, code: int, message: dict[str, Any]) -> dict[str, Any] | None:
        if code < RESTART:
            part = self.parts[code]
            self.task = f"in its step {part.steps + 1:,}"
            part.step()
            return None
        if code < MESSAGE:
            self.task = "as it was to restart"
            self.parts[code - RESTART].restart()
            return None
        does: dict[str, Callable[..., dict[str, Any]]] = {
            "make": self._make,
            "reset": self._reset,
            "share": self._share,
        }
        return does[message.pop("do")](**message)

    def _make(self, uri: str, seed: int, parts: list[tuple[int, int]]) -> dict[str, Any]:
        self.uri, self.task = uri, "as it was made"
        self._close()
        for (first, count), file in zip(parts, self.files, strict=True):
            environment = glulam.make_environment(uri, num_envs=count, seed=seed, first=first)
            self.parts.append(Part(environment, file))
        return {"spec": self.parts[0].environment.spec.obs_meta()}

    def _reset(self, group: int) -> dict[str, Any]:
        self.task = "in its start"
        return {"fields": self.parts[group].reset()}

    def _share(self, group: int, fields: list[Any], first: int, worker: int) -> dict[str, Any]:
        self.parts[group].share([Field(*entry) for entry in fields], first, worker)
        return {}

    def _told(self, error: BaseException) -> dict[str, Any]:
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next  # what is ours is of no interest
        where = traceback.extract_tb(trace)
        return {
            "number": self.number,
            "uri": self.uri,
            "task": self.task,
            "ours": isinstance(error, glulam.GlulamError),
            "text": str(error),
            "type": type(error).__name__,
            "place": f"{where[-1].filename}, line {where[-1].lineno}" if where else "",
            "traceback": "".join(traceback.format_exception(error.with_traceback(trace))),
        }

    def _close(self) -> None:
        for part in self.parts:
            part.environment.close()
        self.parts = []
