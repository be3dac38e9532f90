"""The grid world mettagrid as glulam environments: `mettagrid:forage`, `forage_hearts` and `tmaze`.

A task may carry a view size, `forage?view=9`: odd and from 3 to 15, since others crash mettagrid.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from glulam import GlulamError

if TYPE_CHECKING:
    from glulam import EnvSpec
    from glulam_mettagrid.tasks import Task
    from glulam_mettagrid.vector import MettaGridEnvironment

__all__ = ["environments"]

TASKS = ("forage", "forage_hearts", "tmaze")


class MettaGridEnvironments:
    """The family `mettagrid` of environments: names at once, mettagrid itself when a task is asked for."""

    tasks: tuple[str, ...] = TASKS

    def spec(self, task: str) -> EnvSpec:
        """Return what a policy needs to know of a task; imports no torch.

        Raises:
            GlulamError: if there is no such task, its view does not fit, or mettagrid is not installed.
        """
        built = _task(task)
        from glulam_mettagrid.spec import env_spec

        return env_spec(built.config, name=f"mettagrid:{task}")

    def make(
        self, task: str, *, num_envs: int, seed: int, first: int = 0, render: bool = False
    ) -> MettaGridEnvironment:
        """Return `num_envs` copies of a task as one world of `num_envs` x agents rows.

        Args:
            task: a name of `tasks`, with or without a view size.
            num_envs: copies, at least 1.
            seed: not negative; decides every episode of every copy.
            first: the number of the first copy among those with this seed.
            render: whether the ends of episodes are kept, to be looked at.

        Raises:
            GlulamError: as for `spec`, or if `num_envs`, `seed` or `first` is out of range.
        """
        built = _task(task)  # first of all: it says what to do where mettagrid is missing
        from glulam_mettagrid.vector import MettaGridEnvironment

        return MettaGridEnvironment(
            built.config,
            name=f"mettagrid:{task}",
            num_envs=num_envs,
            seed=seed,
            first=first,
            map_for_seed=built.map_for_seed,
            render=render,
        )


environments = MettaGridEnvironments()
"""The family `mettagrid`: `spec(task)` and `make(task, num_envs=, seed=)`."""


def _task(text: str) -> Task:
    """Build the task that `forage` or `forage?view=9` names."""
    name, mark, option = text.partition("?")
    if name not in TASKS:
        near = difflib.get_close_matches(name, TASKS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        msg = f"unknown mettagrid task {name!r}; there are: {', '.join(TASKS)}{hint}"
        raise GlulamError(msg)
    view = re.fullmatch(r"view=(\d{1,3})", option)
    if mark and view is None:
        msg = f"mettagrid task {text!r}: {option!r} is no option; the only one is a view size, {name}?view=9"
        raise GlulamError(msg)
    from glulam_mettagrid._simulator import require_mettagrid

    require_mettagrid()
    from glulam_mettagrid.tasks import build_task

    return build_task(name, view=int(view[1]) if view else None)
