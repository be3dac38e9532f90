"""From Gymnasium's spaces to an `EnvSpec`, and from a policy's actions to Gymnasium's. No torch here."""

from __future__ import annotations

from enum import EnumMeta
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete

from glulam import ActionSpec, BoxLayout, EnvSpec, GlulamError

if TYPE_CHECKING:
    import gymnasium
    from numpy.typing import NDArray

    from glulam_gymnasium import Autoreset

__all__ = ["action_spec", "box_spec", "offered", "own_actions"]

MASK = "action_mask"


def box_spec(env: gymnasium.Env[Any, Any], *, name: str, autoreset: Autoreset) -> EnvSpec:
    """Return the spec of an environment that observes an array of numbers: its shape and dtype as they are.

    Raises:
        GlulamError: if it observes or does anything else.
    """
    space = env.observation_space
    if not isinstance(space, Box):
        msg = f"{name}: its observations are {space}; glulam-gymnasium supports a Box of numbers"
        raise GlulamError(msg)
    if space.dtype.name not in BoxLayout.DTYPES:
        found = f"{name}: its observations are {space.dtype.name}"
        msg = f"{found}; glulam-gymnasium supports {', '.join(BoxLayout.DTYPES)}"
        raise GlulamError(msg)
    actions = action_spec(env, name=name)
    return EnvSpec(
        name=name,
        box=BoxLayout(shape=space.shape, dtype=space.dtype.name),
        actions=actions,
        optional_inputs=offered(env, actions),
        autoreset=autoreset,
    )


def offered(env: gymnasium.Env[Any, Any], actions: ActionSpec) -> tuple[str, ...]:
    """Return the optional inputs of an environment, which is reset to see whether its infos hold a mask.

    A mask is an array with a value for each of `actions.names`.
    """
    _, info = env.reset(seed=0)
    shape = getattr(info.get(MASK), "shape", None)
    masked = actions.kind != "continuous" and shape == (len(actions.names),)
    return (*((MASK,) if masked else ()), "last_actions", "last_rewards")


def action_spec(env: gymnasium.Env[Any, Any], *, name: str) -> ActionSpec:
    """Return what an agent does in a step, with names.

    * `Discrete`: the names that the environment has, found as Atari's are (`get_action_meanings()`) or as MiniGrid's
      (`actions`, an enumeration); else `action_0`, `action_1`, ... by the environment's own numbers;
    * `MultiDiscrete`: `choice_0:0`, `choice_0:1`, ..., `choice_1:0`, ..., likewise by its own numbers;
    * `Box`: `action_0`, `action_1`, ..., a name a number, with its bounds.

    Arrays of several dims are flattened.

    Raises:
        GlulamError: if actions are anything else.
    """
    space = env.action_space
    if isinstance(space, Discrete):
        numbers = range(int(space.start), int(space.start + space.n))
        known = _meanings(env.unwrapped, numbers) if env.unwrapped.action_space == space else ()
        return ActionSpec(names=known or tuple(f"action_{number}" for number in numbers))
    if isinstance(space, MultiDiscrete):
        choices = [
            range(int(start), int(start + n)) for start, n in zip(space.start.flat, space.nvec.flat, strict=True)
        ]
        names = [f"choice_{choice}:{number}" for choice, numbers in enumerate(choices) for number in numbers]
        return ActionSpec(names=names, choices=map(len, choices))
    if isinstance(space, Box) and np.issubdtype(space.dtype, np.floating):
        low, high = space.low.ravel().tolist(), space.high.ravel().tolist()
        return ActionSpec(names=[f"action_{number}" for number in range(len(low))], low=low, high=high)
    msg = (
        f"{name}: its actions are {space}; "
        "glulam-gymnasium supports Discrete, MultiDiscrete and a Box of floating-point numbers"
    )
    raise GlulamError(msg)


def own_actions(space: Any, actions: NDArray[Any]) -> NDArray[Any]:  # noqa: ANN401  # one of the three above
    """Return a policy's actions, a row each, as a space's own: by its numbers or within its bounds, in its shape."""
    if isinstance(space, Discrete):
        return actions + int(space.start)
    shaped = actions.reshape(len(actions), *space.shape)
    numbers = shaped + space.start if isinstance(space, MultiDiscrete) else shaped.clip(space.low, space.high)
    return numbers.astype(space.dtype, copy=False)


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
