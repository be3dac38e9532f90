"""Gymnasium's environments as glulam's, such as `gymnasium:CartPole-v1` and `minigrid:MiniGrid-MemoryS7-v0`.

A task may say when the next episode starts: `CartPole-v1?autoreset=next_step` or `?autoreset=disabled`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, cast

from glulam import GlulamError

if TYPE_CHECKING:
    from typing import Any

    import gymnasium
    from gymnasium.envs.registration import EnvSpec as Registered

    from glulam import Environment, EnvSpec
    from glulam_gymnasium.vector import Observer

__all__ = ["gymnasium_environments", "minigrid_environments"]

Autoreset = Literal["same_step", "next_step", "disabled"]
MODES = ("same_step", "next_step", "disabled")


class GymnasiumEnvironments:
    """The family `gymnasium`: ids that observe an array of numbers, with actions of any of three kinds.

    Neither Gymnasium nor an environment is imported before a task is asked for, nor is torch for its spec.
    """

    family = "gymnasium"

    def __init__(self) -> None:
        self._specs: dict[str, tuple[Registered, EnvSpec]] = {}

    def spec(self, task: str) -> EnvSpec:
        """Return what a policy needs to know of a task, from one copy that is made once; imports no torch.

        Args:
            task: a Gymnasium id, or `MODULE:ID` where importing MODULE registers it; `?autoreset=` may follow.

        Raises:
            GlulamError: if there is no such id, it cannot be made, or its spaces are not supported.
        """
        name, autoreset = self._parse(task)
        registered = self._find(name)
        known = self._specs.get(task)
        if known is None or known[0] is not registered:  # an id can be registered anew
            env = self._one(registered)
            try:
                known = registered, self._describe(env, f"{self.family}:{task}", autoreset)
            finally:
                env.close()
            self._specs[task] = known
        return known[1]

    def make(self, task: str, *, num_envs: int, seed: int, first: int = 0, render: bool = False) -> Environment:
        """Return `num_envs` copies of a task as one world of as many rows.

        Args:
            task: as for `spec`.
            num_envs: copies, at least 1.
            seed: not negative; decides every episode of every copy.
            first: the number of the first copy among those with this seed.
            render: whether the copies draw pictures.

        Raises:
            GlulamError: as for `spec`, or if `num_envs`, `seed` or `first` is out of range, or there are no pictures.
        """
        spec = self.spec(task)
        registered = self._specs[task][0]
        from glulam_gymnasium.vector import make_world

        return make_world(
            lambda: self._shown(self._one(registered, render=render)),
            spec=spec,
            num_envs=num_envs,
            seed=seed,
            first=first,
            observe=self._observer(spec),
        )

    def _parse(self, task: str) -> tuple[str, Autoreset]:
        name, mark, option = task.partition("?")
        mode = re.fullmatch(rf"autoreset=({'|'.join(MODES)})", option)
        if mark and mode is None:
            msg = (
                f"{self.family} task {task!r}: {option!r} is no option; "
                f"the only one is {name}?autoreset={', '.join(MODES[:-1])} or {MODES[-1]}"
            )
            raise GlulamError(msg)
        return name, cast("Autoreset", mode[1] if mode else MODES[0])

    def _find(self, name: str) -> Registered:
        from glulam_gymnasium.registered import find

        return find(name, family=self.family)

    def _one(self, registered: Registered, *, render: bool = False) -> gymnasium.Env[Any, Any]:
        from glulam_gymnasium.registered import make_one

        return make_one(registered, family=self.family, render=render)

    def _describe(self, env: gymnasium.Env[Any, Any], name: str, autoreset: Autoreset) -> EnvSpec:
        from glulam_gymnasium.spaces import box_spec

        return box_spec(env, name=name, autoreset=autoreset)

    def _shown(self, env: gymnasium.Env[Any, Any]) -> gymnasium.Env[Any, Any]:
        """Return a copy as one that observes a single array."""
        return env

    def _observer(self, _spec: EnvSpec) -> Observer | None:
        """Return what turns such arrays, stacked, into the rows of `env_obs`; None where they are those rows."""
        return None


class MiniGridEnvironments(GymnasiumEnvironments):
    """The family `minigrid`: MiniGrid's ids (and BabyAI's), whose view of the grid becomes tokens."""

    family = "minigrid"

    def _find(self, name: str) -> Registered:
        from glulam_gymnasium.registered import find, register_minigrid

        register_minigrid()
        return find(name, family=self.family, module="minigrid.")

    def _describe(self, env: gymnasium.Env[Any, Any], name: str, autoreset: Autoreset) -> EnvSpec:
        from glulam_gymnasium.tokens import grid_spec

        return grid_spec(env, name=name, autoreset=autoreset)

    def _shown(self, env: gymnasium.Env[Any, Any]) -> gymnasium.Env[Any, Any]:
        from glulam_gymnasium.tokens import GridView

        return GridView(env)

    def _observer(self, spec: EnvSpec) -> Observer | None:
        from glulam_gymnasium.tokens import GridTokens

        return GridTokens(height=spec.view_height, width=spec.view_width)


gymnasium_environments = GymnasiumEnvironments()
minigrid_environments = MiniGridEnvironments()
