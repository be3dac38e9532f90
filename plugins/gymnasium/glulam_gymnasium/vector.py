"""Copies of a Gymnasium environment as one world, stepped by Gymnasium's own `SyncVectorEnv`.

Legend: `B` copies, one row each.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from gymnasium.error import Error as GymnasiumError
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from tensordict import TensorDict

from glulam import GlulamError, checked_actions
from glulam_gymnasium.episodes import Episodes
from glulam_gymnasium.spaces import MASK, own_actions

if TYPE_CHECKING:
    from collections.abc import Callable

    import gymnasium
    from numpy.typing import NDArray
    from torch import Tensor

    from glulam import EnvSpec

    Observer = Callable[[NDArray[Any], NDArray[Any]], None]
    """Takes stacked observations and fills the rows of `env_obs` with what they show."""

__all__ = ["GymnasiumEnvironment", "make_world"]

IMAGE_DIMS = 3  # height, width, colours
MODES = {
    "same_step": AutoresetMode.SAME_STEP,
    "next_step": AutoresetMode.NEXT_STEP,
    "disabled": AutoresetMode.DISABLED,
}


def make_world(  # noqa: PLR0913  # each is an independent, named choice
    one: Callable[[], gymnasium.Env[Any, Any]],
    *,
    spec: EnvSpec,
    num_envs: int,
    seed: int,
    first: int = 0,
    observe: Observer | None = None,
) -> GymnasiumEnvironment:
    """Return `num_envs` copies of what `one` makes as one world; it has `restart` where `spec.autoreset` says so.

    Args:
        one: makes a copy that observes one array.
        spec: says what the world shows, and when the next episode starts.
        num_envs: copies, at least 1.
        seed: not negative.
        first: the number of the first copy among those with this seed; not negative.
        observe: makes stacked observations what `spec` says; None: they are that already.

    Raises:
        GlulamError: if `num_envs`, `seed` or `first` is out of range.
    """
    if num_envs < 1:
        msg = f"{spec.name}: num_envs is {num_envs}; it must be at least 1"
        raise GlulamError(msg)
    for what, given in (("seed", seed), ("first", first)):
        if given < 0:
            msg = f"{spec.name}: {what} is {given}; it must not be negative"
            raise GlulamError(msg)
    kind = RestartableGymnasiumEnvironment if spec.autoreset == "disabled" else GymnasiumEnvironment
    masks = torch.ones((num_envs, spec.num_actions), dtype=torch.bool) if MASK in spec.optional_inputs else None
    rows = [None] * num_envs if masks is None else list(masks.numpy())
    makers = [partial(Episodes, one, seed, first + place, row) for place, row in enumerate(rows)]
    vector = SyncVectorEnv(makers, copy=False, autoreset_mode=MODES[spec.autoreset])
    return kind(vector, spec, observe, masks)


class GymnasiumEnvironment:
    """The `Environment` protocol of glulam over Gymnasium's vector of environments; made by `make_world`.

    **All tensors are reused**: what `reset` and `step` return is valid until the next call of either; copy what
    you keep. Where the world shows a box, `env_obs` is the very array in which Gymnasium gathers observations.
    `env_id` never changes. The TensorDict is new at each call, so a policy may add keys to it.

    `dones` are Gymnasium's terminations, `truncateds` its truncations of episodes that have not terminated in
    the same step. Under `next_step` and `disabled` `final_obs` is the very tensor `env_obs`.

    `last_actions` and `last_rewards` belong to the episode of `env_obs`: zeros with its first observation, where
    `rewards` may be those of the episode before. Actions are shown as they were given, before any clipping.
    `action_mask` (where `spec` names it) says what `env_obs` allows.

    Episode k of copy e depends on (seed, first + e, k) and the actions alone, whatever `num_envs` is: each is seeded,
    where Gymnasium itself would let one generator run on. `reset` goes on to the next episode, also where the
    current one is unfinished.
    """

    def __init__(
        self, vector: SyncVectorEnv[Any, Any], spec: EnvSpec, observe: Observer | None, masks: Tensor | None
    ) -> None:
        self.spec = spec
        self._vector = vector
        self._observe = observe
        self._closed = False
        rows, actions = vector.num_envs, spec.actions
        self._outputs = {
            "env_id": torch.arange(rows, dtype=torch.int64),
            "rewards": torch.zeros(rows, dtype=torch.float32),
            "dones": torch.zeros(rows, dtype=torch.bool),
            "truncateds": torch.zeros(rows, dtype=torch.bool),
            "last_actions": torch.zeros((rows, *actions.shape), dtype=getattr(torch, actions.dtype)),
            "last_rewards": torch.zeros(rows, dtype=torch.float32),
        }
        if masks is not None:
            self._outputs[MASK] = masks  # its rows are written by the copies themselves
        self._rewards, self._dones, self._truncateds, self._last_actions, self._last_rewards = self._zeroed = [
            self._outputs[key].numpy() for key in ("rewards", "dones", "truncateds", "last_actions", "last_rewards")
        ]

    def reset(self) -> TensorDict:
        """Start the next episode in every copy; rewards and flags are zero.

        Raises:
            GlulamError: if the environment is closed.
        """
        self._check_open()
        observations, _ = self._vector.reset()
        if "env_obs" not in self._outputs:
            self._allocate(observations)
        self._show(observations)
        for output in self._zeroed:
            output.fill(0)
        return self._output()

    def step(self, actions: Tensor) -> TensorDict:
        """Apply one action a row.

        Args:
            actions: as `glulam.checked_actions` takes them; numbers beyond their bounds are clipped to them.

        Raises:
            GlulamError: if the actions have another shape or type, are out of range or not finite, `reset` was not
                called, or a row waits for `restart`. Nothing is stepped then.
        """
        self._check_started("step")
        self._check_ready()
        given = checked_actions(actions, self.spec, len(self._dones)).numpy()
        ended = self._dones | self._truncateds  # before this step
        observations, rewards, terminated, truncated, infos = self._vector.step(
            own_actions(self._vector.single_action_space, given)
        )
        np.copyto(self._rewards, rewards, casting="same_kind")
        np.copyto(self._dones, terminated)
        np.logical_and(truncated, ~terminated, out=self._truncateds)
        self._remember(given, terminated | truncated if self.spec.autoreset == "same_step" else ended)
        self._show(observations)
        if "final_obs" in infos:  # under same_step alone
            self._show_final(infos["final_obs"], np.flatnonzero(infos["_final_obs"]))
        return self._output()

    def render(self, row: int, *, final: bool = False) -> NDArray[np.uint8]:
        """Return a copy's own picture `(H, W, 3)`, as `glulam.RenderableEnvironment` has it.

        Raises:
            GlulamError: if there is nothing to be seen: `reset` was not called, no episode has ended, the world was
                not made with `render=True`, or the environment cannot draw or draws something else.
        """
        self._check_started("render")
        one = self._vector.envs[row]
        if one.render_mode is None:
            msg = f"{self.spec.name}: it was not made to be looked at; make the environment with render=True"
            raise GlulamError(msg)
        try:
            shown: Any = one.get_wrapper_attr("final_picture") if final else one.render()
        except GymnasiumError as error:
            msg = f"{self.spec.name} cannot draw: {error}"
            raise GlulamError(msg) from error
        if not isinstance(shown, np.ndarray) or shown.dtype != np.uint8 or shown.ndim != IMAGE_DIMS:
            found = f"{shown.dtype} {list(shown.shape)}" if isinstance(shown, np.ndarray) else type(shown).__name__
            msg = f"{self.spec.name}: its picture is {found}; only one of uint8 [H, W, 3] can be shown"
            raise GlulamError(msg)
        return shown

    def close(self) -> None:
        """Close every copy; `reset` and `step` raise from now on."""
        self._vector.close()
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            msg = f"{self.spec.name}: this environment is closed; make another"
            raise GlulamError(msg)

    def _check_started(self, call: str) -> None:
        self._check_open()
        if "env_obs" not in self._outputs:
            msg = f"{self.spec.name}: call reset() before {call}()"
            raise GlulamError(msg)

    def _check_ready(self) -> None:
        """Refuse to step where an episode has ended and nothing starts the next one."""

    def _remember(self, actions: NDArray[Any], begun: NDArray[np.bool_]) -> None:
        """Show actions and their rewards as the last ones, but for rows where an episode has just begun."""
        np.copyto(self._last_actions, actions, casting="same_kind")
        np.copyto(self._last_rewards, self._rewards)
        self._last_actions[begun] = 0
        self._last_rewards[begun] = 0

    def _allocate(self, observations: NDArray[Any]) -> None:
        if self._observe is None:
            env_obs = torch.from_numpy(observations)  # Gymnasium gathers them in one array for good
        else:
            shape = (len(self._dones), self.spec.num_tokens, self.spec.token_columns)
            env_obs = torch.zeros(shape, dtype=torch.uint8)
        same_step = self.spec.autoreset == "same_step"
        self._outputs["env_obs"] = env_obs
        self._outputs["final_obs"] = torch.zeros_like(env_obs) if same_step else env_obs
        self._env_obs, self._final_obs = env_obs.numpy(), self._outputs["final_obs"].numpy()

    def _show(self, observations: NDArray[Any]) -> None:
        if self._observe is not None:
            self._observe(observations, self._env_obs)

    def _show_final(self, observations: NDArray[Any], rows: NDArray[Any]) -> None:
        last = np.stack([observations[row] for row in rows])
        if self._observe is not None:
            shown = np.empty((len(rows), *self._final_obs.shape[1:]), np.uint8)
            self._observe(last, shown)
            last = shown
        self._final_obs[rows] = last

    def _output(self) -> TensorDict:
        return TensorDict(self._outputs, batch_size=[len(self._dones)])


class RestartableGymnasiumEnvironment(GymnasiumEnvironment):
    """A world whose ended episodes wait for `restart`: `autoreset` is `disabled`."""

    def restart(self, rows: Tensor) -> TensorDict:
        """Start the next episode in some rows, ended or not, and return the present observation of every row.

        Rewards, flags and last action of those rows are zero, those of the others as they were; without any row
        nothing changes.

        Args:
            rows: `[B]`, bool; on any device.

        Raises:
            GlulamError: if `rows` has another shape or type, or `reset` was not called.
        """
        self._check_started("restart")
        if rows.shape != self._dones.shape or rows.dtype != torch.bool:
            msg = (
                f"{self.spec.name}: rows to restart are {rows.dtype} {list(rows.shape)}; "
                f"they must be torch.bool [{len(self._dones)}]"
            )
            raise GlulamError(msg)
        mask = rows.cpu().numpy()
        if mask.any():
            observations, _ = self._vector.reset(options={"reset_mask": mask})
            self._show(observations)
            for output in self._zeroed:
                output[mask] = 0
        return self._output()

    def _check_ready(self) -> None:
        ended = self._dones | self._truncateds
        if ended.any():
            rows = np.flatnonzero(ended).tolist()
            msg = f"{self.spec.name}: the episodes of rows {rows} have ended; call restart() before step()"
            raise GlulamError(msg)
