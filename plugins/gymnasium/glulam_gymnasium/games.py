"""PettingZoo's parallel games: finding and making one, and its spec. No torch here."""

from __future__ import annotations

import difflib
import importlib
import warnings
from typing import TYPE_CHECKING, Any

from glulam import EnvSpec, GlulamError
from glulam_gymnasium.actions import is_mask, named_actions, own_actions
from glulam_gymnasium.first_look import LAST, allowed_action, first_reset, first_step
from glulam_gymnasium.observations import MASK, Numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from pettingzoo import ParallelEnv

    Maker = Callable[[], ParallelEnv[Any, Any, Any]]

__all__ = ["find_game", "game_spec", "make_game"]

OLDER = (
    "that is PettingZoo's parallel API before 1.23; in the present one, reset(seed=...) returns (observations, infos) "
    "and step five dicts: port it"
)


def find_game(name: str) -> Maker:
    """Return what makes a game.

    Args:
        name: what is registered with PettingZoo, such as `butterfly/knights_archers_zombies_v11`; `MODULE:NAME`, where
            importing MODULE registers it; or the path of a module with a function `parallel_env`, such as
            `mpe2.simple_spread_v3`.

    Raises:
        GlulamError: if there is none, with the nearest names.
    """
    registration = _import("pettingzoo.env_registry.registration", "pip install pettingzoo")
    _import("pettingzoo.env_registry", "it registers PettingZoo's games")
    module, _, short = name.rpartition(":")
    if module:
        _import(module, f"it should register {short!r}")
    found = _registered(short, registration.parallel_registry)
    if found is not None:
        return lambda: registration.make("parallel", found)
    if not module and "/" not in short:
        made = _import(short, "a game is registered with PettingZoo, or a module with a function parallel_env()")
        if hasattr(made, "parallel_env"):
            return made.parallel_env  # type: ignore[no-any-return]
        msg = f"pettingzoo:{name}: the module {short!r} has no parallel_env(), which makes the game"
        raise GlulamError(msg)
    if _registered(short, registration.aec_registry) is not None:
        msg = (
            f"pettingzoo:{name} is a game of turns, and in a world all agents act at once: PettingZoo's "
            "aec_to_parallel() converts those whose agents all act in each round"
        )
        raise GlulamError(msg)
    near = difflib.get_close_matches(short, [*registration.parallel_registry], n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "pettingzoo:MODULE:NAME imports MODULE first"
    msg = f"unknown pettingzoo game {short!r}; {hint}"
    raise GlulamError(msg)


def make_game(maker: Maker, *, name: str) -> ParallelEnv[Any, Any, Any]:
    """Make one game.

    Raises:
        GlulamError: if it cannot be made, as where something that it needs is not installed, or is no parallel game
            with a list of all agents that there may be.
    """
    from pettingzoo import ParallelEnv
    from pettingzoo.env_registry.exceptions import PettingZooRegistryError

    try:
        game = maker()
    except (ImportError, TypeError, PettingZooRegistryError) as error:
        msg = f"{name} cannot be made: {type(error).__name__}: {error}"
        raise GlulamError(msg) from error
    if not isinstance(game, ParallelEnv):
        msg = f"{name} is {type(game).__name__}, which is no pettingzoo.ParallelEnv"
        raise GlulamError(msg)
    if not getattr(game, "possible_agents", None):
        msg = f"{name} has no list possible_agents; a world has a row for each of them"
        raise GlulamError(msg)
    return game


def game_spec(game: ParallelEnv[Any, Any, Any], *, name: str) -> tuple[EnvSpec, Numbers]:
    """Return the spec of a game, which is reset and stepped once, and how its observations are shown.

    Raises:
        GlulamError: if its agents observe or act in different spaces, which rows of one world cannot; if a space has no
            mapping; or if it answers as an older API has it.
    """
    agents = game.possible_agents
    for kind, space_of in (("observation", game.observation_space), ("action", game.action_space)):
        other = next((agent for agent in agents if space_of(agent) != space_of(agents[0])), None)
        if other is not None:
            msg = (
                f"{name}: agents {agents[0]!r} and {other!r} have different {kind} spaces, {space_of(agents[0])} and "
                f"{space_of(other)}; rows of one world are alike: pad them (supersuit.pad_observations_v0, "
                "supersuit.pad_action_space_v0)"
            )
            raise GlulamError(msg)
    space = game.action_space(agents[0])
    actions = named_actions(space, name=name)
    numbers = Numbers(game.observation_space(agents[0]), actions, name=name)
    observations, infos = first_reset(game, name=name, older=OLDER)
    masks = {}
    for agent in game.agents:
        numbers.check(observations[agent])
        masks[agent] = observations[agent][MASK] if numbers.masked else infos.get(agent, {}).get(MASK)
    chosen = {agent: own_actions(space, allowed_action(actions, masks[agent]))[0] for agent in game.agents}
    first_step(game, chosen, name=name, older=OLDER)
    masked = any(is_mask(mask, actions) for mask in masks.values())
    spec = EnvSpec(
        name=name,
        box=numbers.box,
        actions=actions,
        num_agents=len(agents),
        optional_inputs=(*((MASK,) if masked else ()), "active", *LAST, "agent_id"),
    )
    return spec, numbers


def _registered(name: str, registry: dict[str, Any]) -> Any:  # noqa: ANN401  # PettingZoo's own spec, or none
    """Return what stands under a name, in PettingZoo's own way of writing versions or in Gymnasium's."""
    head, mark, version = name.rpartition("_v")
    return registry.get(name) or registry.get(f"{head}-v{version}" if mark else name)


def _import(module: str, why: str) -> Any:  # noqa: ANN401  # a module
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of PettingZoo's modules, which is for its authors
            return importlib.import_module(module)
    except ImportError as error:
        msg = f"pettingzoo: cannot import {module!r} ({error}); {why}"
        raise GlulamError(msg) from error
