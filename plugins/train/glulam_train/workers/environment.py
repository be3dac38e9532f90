"""A group of copies that workers step, as one environment.

Legend: `B` rows of the group: those of its first worker, then those of the second, and so on.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import torch
from tensordict import TensorDict

from glulam import GlulamError, checked_actions
from glulam_train.workers.channel import RESTART
from glulam_train.workers.shared import ACTIONS, BUSY, MARKS, Field, as_plain, map_tensors
from glulam_train.world import check_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from glulam import EnvSpec
    from glulam_train.workers.process import WorkerProcess

__all__ = ["WorkerEnvironment"]


class WorkerEnvironment:
    """The `Environment` protocol over workers, which step while this process does something else.

    `send` has a step begun and `receive` waits for it; `step` is both. **All tensors are reused**: what was received is
    valid until the next `send`.

    Args:
        workers: each has the group's copies that it is to step.
        group: its number.
        spec: of the environment.
        file: the memory that the workers share for this group.
    """

    def __init__(self, workers: Sequence[WorkerProcess], group: int, spec: EnvSpec, file: int) -> None:
        self.spec = spec
        self._workers, self._group, self._file = workers, group, file
        self._outputs: dict[str, Tensor] = {}
        self._rows: list[slice] = []
        self._steps = 0

    def reset(self) -> TensorDict:
        """Start new episodes in all rows and return their first observations, a TensorDict `[B]`.

        Raises:
            GlulamError: if the workers' environments do not show the same, or one of them cannot start.
        """
        for worker in self._workers:
            worker.ask(do="reset", group=self._group)
        found = [[Field(*entry) for entry in worker.answer()["fields"]] for worker in self._workers]
        edges = [0, *accumulate(fields[0].shape[0] for fields in found)]
        self._rows = [slice(*pair) for pair in pairwise(edges)]
        whole = [[Field(f.name, f.dtype, (edges[-1], *f.shape[1:])) for f in fields] for fields in found]
        for worker, fields in zip(self._workers, whole, strict=True):
            if fields != whole[0]:
                msg = f"environment {self.spec.name!r} shows {fields} in {worker.name}, and {whole[0]} in the first"
                raise GlulamError(msg)
        self._share(whole[0], edges[-1])
        return self._output()

    def _share(self, shown: list[Field], rows: int) -> None:
        actions = self.spec.actions
        fields = [
            *shown,
            Field(ACTIONS, actions.dtype, (rows, *actions.shape)),
            Field(MARKS, "bool", (rows,)),
            Field(BUSY, "float64", (len(self._workers),)),
        ]
        self._outputs = map_tensors(self._file, fields)
        for number, (worker, place) in enumerate(zip(self._workers, self._rows, strict=True)):
            worker.ask(do="share", group=self._group, fields=as_plain(fields), first=place.start, worker=number)
        for worker in self._workers:
            worker.answer()
        self._actions, self._marks, self._busy = (self._outputs.pop(name) for name in (ACTIONS, MARKS, BUSY))
        self._busy.zero_()
        # Not in shared memory: torch would not count there what others write, and whether it did is looked at.
        parts = [self._outputs["env_id"][place] for place in self._rows]
        for ids in parts if len(parts) > 1 else ():
            check_ids(ids, self.spec)
        self._outputs["env_id"] = torch.cat([ids + place.start for ids, place in zip(parts, self._rows, strict=True)])

    def send(self, actions: Tensor) -> None:
        """Have a step begun.

        Args:
            actions: `[B, ...]`, as `glulam.checked_actions` takes them.

        Raises:
            GlulamError: if they are others, or a worker is no more.
        """
        self._actions.copy_(checked_actions(actions, self.spec, len(self._marks)))
        self._steps += 1
        for worker in self._workers:
            worker.begin(self._group, self._when)

    def receive(self) -> TensorDict:
        """Wait for the step that was begun and return what follows, a TensorDict `[B]`.

        Raises:
            GlulamError: if an environment failed in it, or a worker is no more.
        """
        for worker in self._workers:
            worker.finish(self._group, self._when)
        return self._output()

    def step(self, actions: Tensor) -> TensorDict:
        """Apply `actions` (`[B, ...]`) and return what follows, a TensorDict `[B]`."""
        self.send(actions)
        return self.receive()

    def restart(self, rows: Tensor) -> TensorDict:
        """Start new episodes in some rows (`[B]`, bool) and return the present observation of every row."""
        self._marks.copy_(rows)
        code = RESTART + self._group
        wanted = [worker for worker, place in zip(self._workers, self._rows, strict=True) if self._marks[place].any()]
        for worker in wanted:
            worker.begin(code, self._when)
        for worker in wanted:
            worker.finish(code, self._when)
        return self._output()

    def close(self) -> None:
        """Do nothing: the workers close their copies when they are given others, or end."""

    @property
    def seconds_in_steps(self) -> list[float]:
        """How long each worker's copies have taken since `reset`."""
        found: list[float] = self._busy.tolist()
        return found

    @property
    def _when(self) -> str:
        return f"in step {self._steps:,} of environment {self.spec.name!r}"

    def _output(self) -> TensorDict:
        return TensorDict(self._outputs, batch_size=[len(self._marks)])
