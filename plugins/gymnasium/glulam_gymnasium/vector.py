"""Copies of a Gymnasium environment as one world, stepped by Gymnasium's own vector of environments.

Legend: `B` copies, one row each.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from gymnasium.error import Error as GymnasiumError
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import concatenate, create_empty_array

from glulam import EnvSpec, GlulamError, check_copies, checked_actions
from glulam_gymnasium.actions import is_mask, named_actions, own_actions
from glulam_gymnasium.episodes import Episodes
from glulam_gymnasium.first_look import LAST
from glulam_gymnasium.observations import MASK, Numbers
from glulam_gymnasium.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Callable

    import gymnasium
    from gymnasium.vector import VectorEnv
    from numpy.typing import NDArray
    from tensordict import TensorDict
    from torch import Tensor

    from glulam_gymnasium import Autoreset

    Observer = Callable[[Any, NDArray[Any]], None]
    """Takes stacked observations and fills the rows of `env_obs` with what they show."""

__all__ = ["GymnasiumEnvironment", "from_vector", "make_world"]

IMAGE_DIMS = 3  # height, width, colours
MODES: dict[Autoreset, AutoresetMode] = {
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
    observe: Observer,
) -> GymnasiumEnvironment:
    """Return `num_envs` copies of what `one` makes as one world; it has `restart` where `spec.autoreset` says so.

    Episode k of copy e depends on (seed, first + e, k) and the actions alone, whatever `num_envs` is: each is seeded,
    where Gymnasium itself would let one generator run on.

    Args:
        one: makes a copy.
        spec: says what the world shows, and when the next episode starts.
        num_envs: copies, at least 1.
        seed: not negative.
        first: the number of the first copy among those with this seed; not negative.
        observe: makes stacked observations what `spec` says.

    Raises:
        GlulamError: if `num_envs`, `seed` or `first` is out of range.
    """
    check_copies(spec.name, num_envs=num_envs, seed=seed, first=first)
    masks = spec.num_actions if MASK in spec.optional_inputs else None
    makers = [partial(Episodes, one, seed, first + place, masks) for place in range(num_envs)]
    vector = SyncVectorEnv(makers, copy=False, autoreset_mode=MODES[spec.autoreset])
    return _world(vector, spec, observe)


def from_vector(vector: VectorEnv[Any, Any, Any], *, name: str, seed: int) -> GymnasiumEnvironment:
    """Return a vector of environments that somebody has made as a world: `AsyncVectorEnv`, or one of a kind of its own.

    Its first `reset` passes the seed on; from then on the vector's own generators run. A mask is known where the
    observations hold one, or the infos of a first `reset`, which happens here.

    Args:
        vector: of environments whose spaces have a mapping; the world closes it.
        name: of the world, for messages.
        seed: not negative.

    Raises:
        GlulamError: if it does not say when its next episodes start, its spaces have no mapping, or `seed` is
            negative.
    """
    mode = vector.metadata.get("autoreset_mode")
    autoreset = next((ours for ours, theirs in MODES.items() if theirs == mode), None)
    if autoreset is None:
        known = ", ".join(map(str, MODES.values()))
        msg = (
            f"{name}: its metadata['autoreset_mode'] is {mode!r}, so nobody knows when its next episodes start; "
            f"Gymnasium's vectors say there {known}: it is of an older API, or set it"
        )
        raise GlulamError(msg)
    actions = named_actions(vector.single_action_space, name=name)
    numbers = Numbers(vector.single_observation_space, actions, name=name)
    check_copies(name, num_envs=vector.num_envs, seed=seed)
    _, infos = vector.reset(seed=seed)
    masked = numbers.masked or is_mask(next(iter(infos.get(MASK, ())), None), actions)
    offered = (*((MASK,) if masked else ()), *LAST)
    spec = EnvSpec(name=name, box=numbers.box, actions=actions, optional_inputs=offered, autoreset=autoreset)
    return _world(vector, spec, numbers, seed)


def _world(
    vector: VectorEnv[Any, Any, Any], spec: EnvSpec, observe: Observer, seed: int | None = None
) -> GymnasiumEnvironment:
    kind = RestartableGymnasiumEnvironment if spec.autoreset == "disabled" else GymnasiumEnvironment
    return kind(vector, spec, observe, seed)


class GymnasiumEnvironment(Rows):
    """The `Environment` protocol of glulam over Gymnasium's vector of environments; see `Rows` for its tensors.

    Where the world shows a plain box, `env_obs` is the very array in which Gymnasium gathers observations.

    `dones` are Gymnasium's terminations, `truncateds` its truncations of episodes that have not terminated in
    the same step. Under `next_step` and `disabled` `final_obs` is the very tensor `env_obs`.

    `reset` goes on to the next episode, also where the current one is unfinished.

    Made by `make_world` and `from_vector`.
    """

    def __init__(
        self, vector: VectorEnv[Any, Any, Any], spec: EnvSpec, observe: Observer, seed: int | None = None
    ) -> None:
        super().__init__(spec, vector.num_envs)
        self._vector = vector
        self._observe = observe
        self._seed = seed
        self._masked = isinstance(observe, Numbers) and observe.masked
        self._gathered: object = None  # the array that is `env_obs` itself

    def reset(self) -> TensorDict:
        """Start the next episode in every copy and return a TensorDict `[B]`; rewards and flags are zero.

        Raises:
            GlulamError: if the environment is closed, or an observation is not finite.
        """
        self._check_open()
        observations, infos = self._vector.reset(seed=self._seed)
        self._seed = None
        if not self._started:
            self._share(observations)
        for output in self._zeroed:
            output.fill(0)
        self._show(observations, infos)
        return self._output()

    def step(self, actions: Tensor) -> TensorDict:
        """Apply one action a row and return what follows, a TensorDict `[B]`.

        Args:
            actions: as `glulam.checked_actions` takes them; numbers beyond their bounds are clipped to them.

        Raises:
            GlulamError: if the actions have another shape or type, are out of range or not finite, `reset` was not
                called, or a row waits for `restart`: nothing is stepped then. Or if an observation or a reward is not
                finite.
        """
        self._check_started("step")
        self._check_ready()
        given = checked_actions(actions, self.spec, len(self._dones)).numpy()
        ended = self._dones | self._truncateds  # before this step
        observations, rewards, terminated, truncated, infos = self._vector.step(
            own_actions(self._vector.single_action_space, given)
        )
        np.copyto(self._rewards, rewards, casting="same_kind")
        self._check_finite("the reward", self._rewards)
        np.copyto(self._dones, terminated)
        np.logical_and(truncated, ~terminated, out=self._truncateds)
        self._remember(given, terminated | truncated if self.spec.autoreset == "same_step" else ended)
        self._show(observations, infos)
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
        one = getattr(self._vector, "envs", {row: None})[row]  # some vectors of others have no single copies
        if not isinstance(one, Episodes) or one.render_mode is None:
            msg = f"{self.spec.name}: it was not made to be looked at; make the environment with render=True"
            raise GlulamError(msg)
        try:
            shown: Any = one.final_picture if final else one.render()
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

    def _check_ready(self) -> None:
        """Refuse to step where an episode has ended and nothing starts the next one."""

    def _share(self, observations: Any) -> None:  # noqa: ANN401  # an array, or dicts and tuples of arrays
        """Let `env_obs` be the array in which the vector gathers observations, where it is one and always the same."""
        plain = isinstance(self._observe, Numbers) and self._observe.is_plain
        if plain and isinstance(self._vector, SyncVectorEnv) and not self._vector.copy:
            self._use_observations(torch.from_numpy(observations))
            self._gathered = observations
        self._started = True

    def _show(self, observations: Any, infos: dict[str, Any], rows: NDArray[np.bool_] | slice = slice(None)) -> None:  # noqa: ANN401  # as above
        """Show observations, and the masks of `rows`, of which alone `infos` tell."""
        if observations is not self._gathered:
            self._observe(observations, self._env_obs)
        self._check_finite("the observation", self._env_obs)
        if self._masks is None:
            return
        if self._masked:
            np.copyto(self._masks, observations[MASK], casting="unsafe")
            return
        self._masks[rows] = True
        if MASK in infos:
            told = infos[f"_{MASK}"]
            self._masks[told] = infos[MASK][told]

    def _show_final(self, observations: NDArray[Any], rows: NDArray[Any]) -> None:
        space = self._vector.single_observation_space
        empty: Any = create_empty_array(space, len(rows))
        last = concatenate(space, list(observations[rows]), empty)
        shown = np.empty((len(rows), *self._final_obs.shape[1:]), self._final_obs.dtype)
        self._observe(last, shown)
        self._check_finite("the final observation", shown, rows)
        self._final_obs[rows] = shown


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
            observations, infos = self._vector.reset(options={"reset_mask": mask})
            self._show(observations, infos, mask)
            for output in self._zeroed:
                output[mask] = 0
        return self._output()

    def _check_ready(self) -> None:
        ended = self._dones | self._truncateds
        if ended.any():
            rows = np.flatnonzero(ended).tolist()
            msg = f"{self.spec.name}: the episodes of rows {rows} have ended; call restart() before step()"
            raise GlulamError(msg)
