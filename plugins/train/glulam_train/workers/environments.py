"""The environments of a training, made again and again with other seeds; the workers that step them stay."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import TYPE_CHECKING

import glulam
from glulam import EnvSpec, GlulamError
from glulam_train.workers.environment import WorkerEnvironment
from glulam_train.workers.groups import Groups
from glulam_train.workers.process import WorkerProcess
from glulam_train.workers.shared import nameless_file

if TYPE_CHECKING:
    from glulam import Environment
    from glulam_train.settings import TrainSettings

__all__ = ["Environments"]


class Environments:
    """Makes the environments that settings ask for, in this process or in workers.

    Which copies play what depends on the seed alone, and not on who steps them.

    Args:
        settings: `env`, `num_envs`, `env_groups` and `env_workers` of them.

    Raises:
        GlulamError: if there are more parts than copies.
    """

    def __init__(self, settings: TrainSettings) -> None:
        self.uri = settings.env
        workers, groups = settings.env_workers, settings.env_groups
        if settings.num_envs < groups * max(workers, 1):
            msg = (
                f"num_envs is {settings.num_envs}, too few for env_groups {groups} x env_workers {workers}: "
                "write more, or fewer of those"
            )
            raise GlulamError(msg)
        self._groups = _shares(settings.num_envs, groups)
        self._files = [nameless_file() for _ in range(groups)] if workers else []
        self._workers: list[WorkerProcess] = []
        self._made: list[Environment] = []
        try:
            for number in range(workers):
                self._workers.append(WorkerProcess(f"worker {number} of {workers}", self._files))
        except BaseException:
            self.close()
            raise

    def make(self, seed: int) -> Environment | Groups:
        """Close those that there are, and return others.

        Raises:
            GlulamError: as `glulam.make_environment`; a `WorkerError` where it happens in a worker.
        """
        self._close_made()
        if self._workers:
            self._made = list(self._in_workers(seed))
        else:
            for first, count in self._groups:
                self._made.append(glulam.make_environment(self.uri, num_envs=count, seed=seed, first=first))
        return self._made[0] if len(self._made) == 1 else Groups(self._made)

    def describe(self) -> list[str]:
        """Return a line on who steps them, for a user; none where this process does, all at once."""
        workers, groups = len(self._workers), len(self._groups)
        if not workers and groups == 1:
            return []
        where = f"in {workers} worker{'s' * (workers > 1)}" if workers else "in this process"
        turns = f", which the policy acts in by turns, in {groups} groups" if groups > 1 else ""
        return [f"environments are stepped {where}{turns}"]

    def seconds_in_steps(self) -> list[float]:
        """Return how long each worker has spent in steps of the environments that there are."""
        made = [environment for environment in self._made if isinstance(environment, WorkerEnvironment)]
        return [sum(spent) for spent in zip(*(environment.seconds_in_steps for environment in made), strict=True)]

    def _close_made(self) -> None:
        for environment in self._made:
            environment.close()
        self._made = []

    def _in_workers(self, seed: int) -> list[WorkerEnvironment]:
        shares = [_shares(count, len(self._workers), first) for first, count in self._groups]
        for worker, parts in zip(self._workers, zip(*shares, strict=True), strict=True):
            worker.ask(do="make", uri=self.uri, seed=seed, parts=parts)
        told = [worker.answer()["spec"] for worker in self._workers]
        spec = EnvSpec.from_dict(told[0], where=f"environment {self.uri!r}")
        return [WorkerEnvironment(self._workers, group, spec, file) for group, file in enumerate(self._files)]

    def close(self) -> None:
        """Close the environments, and end the workers."""
        self._close_made()
        for worker in self._workers:
            worker.hang_up()
        for worker in self._workers:
            worker.close()
        for file in self._files:
            os.close(file)
        self._workers, self._files = [], []


def _shares(count: int, parts: int, first: int = 0) -> list[tuple[int, int]]:
    """Return the first and the number of each part's copies, as equal as can be."""
    edges = [first + count * part // parts for part in range(parts + 1)]
    return [(start, stop - start) for start, stop in pairwise(edges)]
