"""From Gymnasium's spaces to an `EnvSpec`. No torch here."""

from __future__ import annotations

from enum import EnumMeta
from typing import TYPE_CHECKING, Any

from gymnasium.spaces import Box, Discrete

from glulam import ActionSpec, BoxLayout, EnvSpec, GlulamError

if TYPE_CHECKING:
    import gymnasium

    from glulam_gymnasium import Autoreset

__all__ = ["action_spec", "box_spec"]

DTYPES = ("float32", "float64", "uint8", "int8", "int16", "int32", "int64", "bool")


def box_spec(env: gymnasium.Env[Any, Any], *, name: str, autoreset: Autoreset) -> EnvSpec:
    """Return the spec of an environment that observes an array of numbers: its shape and dtype as they are.

    Raises:
        GlulamError: if it observes or does anything else.
    """
    space = env.observation_space
    if not isinstance(space, Box):
        msg = f"{name}: its observations are {space}; glulam-gymnasium supports a Box of numbers"
        raise GlulamError(msg)
    if space.dtype.name not in DTYPES:
        msg = f"{name}: its observations are {space.dtype.name}; glulam-gymnasium supports {', '.join(DTYPES)}"
        raise GlulamError(msg)
    return EnvSpec(
        name=name,
        box=BoxLayout(shape=space.shape, dtype=space.dtype.name),
        actions=action_spec(env, name=name),
        autoreset=autoreset,
    )


def action_spec(env: gymnasium.Env[Any, Any], *, name: str) -> ActionSpec:
    """Return the names of the actions: those that the environment has for them, else `action_0`, `action_1`, ...

    Names are found as Atari's are (`get_action_meanings()`) or as MiniGrid's (`actions`, an enumeration).

    Raises:
        GlulamError: if an action is not one of a number of choices.
    """
    space = env.action_space
    if not isinstance(space, Discrete):
        msg = f"{name}: its actions are {space}; glulam-gymnasium supports Discrete"
        raise GlulamError(msg)
    numbers = range(int(space.start), int(space.start + space.n))
    known = _meanings(env.unwrapped, numbers) if env.unwrapped.action_space == space else ()
    return ActionSpec(names=known or tuple(f"action_{number}" for number in numbers))


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
