"""From a space of actions to names, and from a policy's actions to the space's own. No torch here."""

from __future__ import annotations

from enum import EnumMeta
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete

from glulam import ActionSpec, GlulamError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import gymnasium
    from numpy.typing import NDArray

__all__ = ["action_spec", "is_mask", "named_actions", "own_actions"]


def is_mask(found: object, actions: ActionSpec) -> bool:
    """Return whether something is a mask: an array with a value for each of `actions.names`."""
    return actions.kind != "continuous" and getattr(found, "shape", None) == (len(actions.names),)


def action_spec(env: gymnasium.Env[Any, Any], *, name: str) -> ActionSpec:
    """Return what an agent does in a step, with the names that the environment has, or those of `named_actions`.

    Names are found as Atari's are (`get_action_meanings()`) or as MiniGrid's (`actions`, an enumeration).

    Raises:
        GlulamError: as `named_actions`.
    """
    space, inner = env.action_space, env.unwrapped
    if isinstance(space, Discrete) and inner.action_space == space:
        known = _meanings(inner, range(int(space.start), int(space.start + space.n)))
        if known:
            return ActionSpec(names=known)
    return named_actions(space, name=name)


def named_actions(space: Any, *, name: str) -> ActionSpec:  # noqa: ANN401  # any space at all
    """Return what an agent does in a step, with names.

    * `Discrete`: `action_0`, `action_1`, ... by the environment's own numbers;
    * `MultiDiscrete`: `choice_0:0`, `choice_0:1`, ..., `choice_1:0`, ..., likewise by its own numbers;
    * `MultiBinary`: the same, with two options each;
    * `Box`: `action_0`, `action_1`, ..., a name a number, with its bounds.

    Arrays of several dims are flattened.

    Raises:
        GlulamError: if actions are anything else.
    """
    if isinstance(space, Discrete):
        return ActionSpec(names=[f"action_{number}" for number in range(int(space.start), int(space.start + space.n))])
    if isinstance(space, MultiDiscrete):
        return _choices(zip(space.start.flat, space.nvec.flat, strict=True))
    if isinstance(space, MultiBinary):
        return _choices([(0, 2)] * int(np.prod(space.shape)))
    if isinstance(space, Box) and np.issubdtype(space.dtype, np.floating):
        low, high = space.low.ravel().tolist(), space.high.ravel().tolist()
        return ActionSpec(names=[f"action_{number}" for number in range(len(low))], low=low, high=high)
    msg = (
        f"{name}: its actions are {space}, which no action head can serve; glulam-gymnasium supports Discrete, "
        "MultiDiscrete, MultiBinary and a Box of floating-point numbers: make them one of these in a wrapper "
        "(gymnasium.wrappers.TransformAction)"
    )
    raise GlulamError(msg)


def own_actions(space: Any, actions: NDArray[Any]) -> NDArray[Any]:  # noqa: ANN401  # one of the four above
    """Return a policy's actions, a row each, as a space's own: by its numbers or within its bounds, in its shape."""
    if isinstance(space, Discrete):
        return actions + int(space.start)
    shaped = actions.reshape(len(actions), *space.shape)
    if isinstance(space, Box):
        shaped = shaped.clip(space.low, space.high)
    elif isinstance(space, MultiDiscrete):
        shaped = shaped + space.start
    return shaped.astype(space.dtype, copy=False)


def _choices(ranges: Iterable[tuple[int, int]]) -> ActionSpec:
    """Return choices, each from the first of its numbers and with as many options as the second says."""
    choices = [range(int(start), int(start + count)) for start, count in ranges]
    names = [f"choice_{choice}:{number}" for choice, numbers in enumerate(choices) for number in numbers]
    return ActionSpec(names=names, choices=map(len, choices))


def _meanings(env: Any, numbers: range) -> tuple[str, ...]:  # noqa: ANN401  # what it has is asked here
    """Return the environment's own names for all of these actions, or none."""
    found: dict[int, str] = {}
    if callable(getattr(env, "get_action_meanings", None)):
        meanings = list(env.get_action_meanings())
        found = dict(zip(numbers, meanings, strict=True)) if len(meanings) == len(numbers) else {}
    elif isinstance(actions := getattr(env, "actions", None), EnumMeta):
        members: Any = actions
        found = {member.value: member.name for member in members}
    names = tuple(str(found[number]) for number in numbers if number in found)
    return names if len(set(names)) == len(numbers) else ()
