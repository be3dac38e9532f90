"""Many mettagrid simulations as one world over one block of memory.

Legend: `E` simulations, `A` agents each, `B` = E x A rows, the agents of simulation 0 first; `N` tokens.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mettagrid.config.mettagrid_c_config import convert_to_cpp_game_config, rename_map_agents
from mettagrid.mettagrid_c import MettaGrid
from tensordict import TensorDict

from glulam import GlulamError, check_copies, checked_actions
from glulam_mettagrid.spec import env_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mettagrid.config.mettagrid_config import MettaGridConfig
    from mettagrid.map_builder.map_builder import MapBuilderConfig
    from numpy.typing import NDArray
    from torch import Tensor

    from glulam import EnvSpec

__all__ = ["MettaGridEnvironment", "episode_seed"]

SEED_MASK = 0x7FFF_FFFF  # mettagrid's seeds are C ints


def episode_seed(seed: int, simulation: int, episode: int) -> int:
    """Return the seed of one episode: a hash, so neighbouring seeds share no episodes."""
    return int(np.random.SeedSequence((seed, simulation, episode)).generate_state(1)[0]) & SEED_MASK


class MettaGridEnvironment:
    """`num_envs` simulations of one config, stepped together; glulam's protocol `RenderableEnvironment`.

    The simulators write observations straight into the tensor that `step` returns. **All tensors are
    reused**: what `reset` and `step` return is valid until the next call of either; copy what you keep.
    `env_id` never changes. The TensorDict is new at each call, so a policy may add keys to it.

    Autoreset is `same_step`: when an episode ends, `rewards` are those of its last action, `dones` or
    `truncateds` are set, `env_obs` is the first observation of the next episode, and `final_obs` holds the
    last one of the episode that ended. Episodes of one length, as in our tasks, all end in the same step:
    every simulation is rebuilt in it.

    `last_actions` and `last_rewards` belong to the episode of `env_obs`: zeros with its first observation, where
    `rewards` are those of the episode before. An action shows as it was given, also where it failed.

    Episode k of simulation e depends on (seed, first + e, k) and the actions alone, whatever `num_envs` is. `reset`
    goes on to the next episode, also where the current one is unfinished.

    Args:
        config: what mettagrid is to run; must not change afterwards.
        name: the name of the environment in its spec and in messages.
        num_envs: simulations, at least 1.
        seed: not negative.
        first: the number of the first simulation among those with this seed; not negative.
        map_for_seed: the map of the episode with a given seed. None: `config.game.map_builder` with that
            seed, if it takes one.
        render: whether the end of an episode is kept, to be looked at: one more simulator for each.

    Raises:
        GlulamError: if an argument is out of range, or the config is one that this adapter refuses.
    """

    def __init__(  # noqa: PLR0913  # each is an independent, named choice
        self,
        config: MettaGridConfig,
        *,
        name: str,
        num_envs: int,
        seed: int,
        first: int = 0,
        map_for_seed: Callable[[int], MapBuilderConfig[Any]] | None = None,
        render: bool = False,
    ) -> None:
        check_copies(name, num_envs=num_envs, seed=seed, first=first)
        self.spec = env_spec(config, name=name)
        self._seed, self._first = seed, first
        self._map_for_seed = map_for_seed or partial(_reseeded, config.game.map_builder)
        # Converting a config takes 1 ms, building a simulator from the result 0.2 ms: convert once.
        self._cpp_config, self._agent_names = convert_to_cpp_game_config(config.game)
        self._resources = list(config.game.resource_names)
        self._simulators: list[MettaGrid] = []
        self._ended: dict[int, MettaGrid] | None = {} if render else None
        self._episodes = [0] * num_envs
        self._closed = False
        self._allocate(num_envs)

    def _allocate(self, num_envs: int) -> None:
        agents, spec = self.spec.num_agents, self.spec
        rows = num_envs * agents
        token_shape = (rows, spec.num_tokens, spec.token_columns)
        self._slices = [slice(env * agents, (env + 1) * agents) for env in range(num_envs)]
        # What the simulators read and write. A new simulator clears the flags and rewards of its rows, so
        # these are copied out before any simulator is replaced.
        self._obs = np.zeros(token_shape, np.uint8)  # (B, N, 3)
        self._rewards = np.zeros(rows, np.float32)
        self._terminals = np.zeros(rows, np.bool_)
        self._truncations = np.zeros(rows, np.bool_)
        self._actions = np.zeros(rows, np.int32)
        self._vibe_actions = np.zeros(rows, np.int32)
        # What the caller reads.
        self._outputs = {
            "env_obs": torch.from_numpy(self._obs),
            "env_id": torch.arange(rows, dtype=torch.int64),
            "rewards": torch.zeros(rows, dtype=torch.float32),
            "dones": torch.zeros(rows, dtype=torch.bool),
            "truncateds": torch.zeros(rows, dtype=torch.bool),
            "final_obs": torch.zeros(token_shape, dtype=torch.uint8),
            "last_actions": torch.zeros(rows, dtype=torch.int64),
            "last_rewards": torch.zeros(rows, dtype=torch.float32),
        }
        self._copies = [
            (self._outputs["rewards"].numpy(), self._rewards),
            (self._outputs["dones"].numpy(), self._terminals),
            (self._outputs["truncateds"].numpy(), self._truncations),
            (self._outputs["last_rewards"].numpy(), self._rewards),
        ]
        self._final_obs, self._last_actions, self._last_rewards = (
            self._outputs[key].numpy() for key in ("final_obs", "last_actions", "last_rewards")
        )

    def reset(self) -> TensorDict:
        """Start the next episode in every simulation and return a TensorDict `[B]`; rewards and flags are zero.

        Raises:
            GlulamError: if the environment is closed, or an observation outgrows its tokens.
        """
        self._check_open()
        with _explained(self.spec):
            self._simulators = [self._next_episode(env) for env in range(len(self._slices))]
        self._copy_out()
        self._last_actions.fill(0)
        return self._output()

    def step(self, actions: Tensor) -> TensorDict:
        """Apply one action a row.

        Args:
            actions: `[B]`, indices into `spec.actions.names`, as `glulam.checked_actions` takes them.

        Raises:
            GlulamError: if the actions have another shape or type or are out of range (nothing is stepped
                then), `reset` was not called, or an observation outgrows its tokens.
        """
        self._check_open()
        if not self._simulators:
            msg = f"{self.spec.name}: call reset() before step()"
            raise GlulamError(msg)
        self._take(actions)
        with _explained(self.spec):
            for simulator in self._simulators:
                simulator.step()
            self._copy_out()
            if self._terminals.any() or self._truncations.any():
                self._renew_ended()
        return self._output()

    def render(self, row: int, *, final: bool = False) -> NDArray[np.uint8]:
        """Return a picture `(H, W, 3)` of the whole map of a row's simulation, as `RenderableEnvironment` has it.

        Raises:
            GlulamError: if there is nothing to be seen: `reset` was not called, no episode has ended, or its end was
                not kept.
        """
        from glulam_mettagrid.picture import picture

        return picture(self._seen(row, final=final), self._resources)

    def render_text(self, row: int, *, final: bool = False) -> str:
        """Return the same as lines of text, with ANSI colours; GlulamError as for `render`."""
        from glulam_mettagrid.picture import text

        return text(self._seen(row, final=final), self._resources)

    def _seen(self, row: int, *, final: bool) -> MettaGrid:
        self._check_open()
        env = row // self.spec.num_agents
        if final and self._ended is None:
            msg = f"{self.spec.name}: ends of episodes are not kept; make the environment with render=True"
            raise GlulamError(msg)
        if not self._simulators or (final and env not in (self._ended or {})):
            msg = f"{self.spec.name}: there is nothing to be seen before {'an episode ends' if final else 'reset()'}"
            raise GlulamError(msg)
        return self._ended[env] if final and self._ended else self._simulators[env]

    def close(self) -> None:
        """Free the simulators; `reset` and `step` raise from now on."""
        self._simulators = []
        self._ended = None
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            msg = f"{self.spec.name}: this environment is closed; make another"
            raise GlulamError(msg)

    def _take(self, actions: Tensor) -> None:
        # mettagrid itself takes any number and lets the agent do nothing.
        values = checked_actions(actions, self.spec, len(self._actions)).numpy()
        np.copyto(self._actions, values, casting="same_kind")
        np.copyto(self._last_actions, values)

    def _copy_out(self) -> None:
        for output, simulated in self._copies:
            np.copyto(output, simulated)

    def _renew_ended(self) -> None:
        """Keep the last observations of the episodes that have just ended, and start the next ones."""
        for env, rows in enumerate(self._slices):
            # As mettagrid's own `is_done`: it sets the flags of all agents at once.
            if self._terminals[rows].all() or self._truncations[rows].all():
                self._final_obs[rows] = self._obs[rows]
                self._last_actions[rows] = 0
                self._last_rewards[rows] = 0
                if self._ended is not None:
                    self._ended[env] = self._simulators[env]
                self._simulators[env] = self._next_episode(env)

    def _next_episode(self, env: int) -> MettaGrid:
        """Return the simulator of the next episode, which has written its first observation."""
        seed = episode_seed(self._seed, self._first + env, self._episodes[env])
        self._episodes[env] += 1
        builder: Any = self._map_for_seed(seed).create()
        grid = builder.build_for_num_agents(self.spec.num_agents).grid.tolist()
        simulator = MettaGrid(self._cpp_config, rename_map_agents(grid, self._agent_names), seed)
        rows = self._slices[env]
        simulator.set_buffers(
            self._obs[rows],
            self._terminals[rows],
            self._truncations[rows],
            self._rewards[rows],
            self._actions[rows],
            self._vibe_actions[rows],
        )
        return simulator

    def _output(self) -> TensorDict:
        return TensorDict(self._outputs, batch_size=[len(self._actions)])


@contextmanager
def _explained(spec: EnvSpec) -> Iterator[None]:
    """Say whose error it is when mettagrid stops, as it does when an observation outgrows its tokens."""
    try:
        yield
    except RuntimeError as error:
        msg = f"{spec.name}: mettagrid stopped: {error}; obs.num_tokens is {spec.num_tokens}"
        raise GlulamError(msg) from error


def _reseeded(builder: MapBuilderConfig[Any], seed: int) -> MapBuilderConfig[Any]:
    """Return a copy of a map builder with this seed, or the builder itself if it has none."""
    return builder.model_copy(update={"seed": seed}) if hasattr(builder, "seed") else builder
