"""What a copy of an environment answers when it is first used, and whether that is Gymnasium's API. No torch here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from glulam import GlulamError
from glulam_gymnasium.actions import is_mask, own_actions
from glulam_gymnasium.observations import MASK

if TYPE_CHECKING:
    import gymnasium

    from glulam import ActionSpec
    from glulam_gymnasium.observations import Numbers

__all__ = ["LAST", "allowed_action", "first_reset", "first_step", "offered"]

LAST = ("last_actions", "last_rewards")
"""Keys that every world offers: what was done last, and what it earned."""
OLDER = (
    "that is the API of Gym before 0.26; in Gymnasium's, reset(seed=...) returns (observation, info) and step five "
    "values: port it, or wrap it (shimmy.GymV21CompatibilityV0)"
)
UNPACKING = "values to unpack"  # how Python tells that a wrapper expected more values, or fewer
STEP = 5


def offered(
    env: gymnasium.Env[Any, Any], actions: ActionSpec, *, name: str, numbers: Numbers | None = None
) -> tuple[str, ...]:
    """Return the optional inputs of an environment, which is reset and takes one step, as in a world.

    A mask is in its observations, or in what `reset` tells: an array with a value for each of `actions.names`.

    Args:
        env: a copy.
        actions: what it takes.
        name: of the world.
        numbers: how its observations are shown; None: their shapes are not looked at.

    Raises:
        GlulamError: if it answers as an environment of an older API does, or its observations are not of its space.
    """
    observation, info = first_reset(env, name=name, older=OLDER)
    mask = info.get(MASK)
    if numbers is not None:
        numbers.check(observation)
        mask = observation[MASK] if numbers.masked else mask
    first_step(env, own_actions(env.action_space, allowed_action(actions, mask))[0], name=name, older=OLDER)
    return (*((MASK,) if is_mask(mask, actions) else ()), *LAST)


def allowed_action(actions: ActionSpec, mask: Any = None) -> Any:  # noqa: ANN401  # as an info has it
    """Return an action that is allowed, as a policy gives it, `[1, ...]`: the first of each choice, or zeros."""
    if actions.kind == "continuous":
        return np.zeros((1, *actions.shape), np.float32)
    allowed = np.asarray(mask, bool) if is_mask(mask, actions) else np.ones(len(actions.names), bool)
    ends = np.cumsum(actions.choices or (len(actions.names),))
    first = [int(part.argmax()) for part in np.split(allowed, ends[:-1])]
    return np.array(first).reshape(1, *actions.shape)


def first_reset(env: Any, *, name: str, older: str) -> tuple[Any, dict[Any, Any]]:  # noqa: ANN401  # Gymnasium's, PettingZoo's
    """Return what `reset(seed=0)` returns: an observation and an info, or dicts of them.

    Args:
        env: what is reset.
        name: of the world.
        older: what to say of the older API of the library.

    Raises:
        GlulamError: if it is something else.
    """
    try:
        result: Any = env.reset(seed=0)
    except TypeError as error:
        if "seed" not in str(error):
            raise
        msg = f"{name}: its reset() takes no seed ({error}); {older}"
        raise GlulamError(msg) from error
    match result:
        case (observation, dict(info)):
            return observation, info
    msg = f"{name}: its reset() returned {_told(result)}, not observation and info; {older}"
    raise GlulamError(msg)


def first_step(env: Any, action: Any, *, name: str, older: str) -> None:  # noqa: ANN401  # as above
    """Take a step and refuse it if it returns anything but five values; arguments as for `first_reset`.

    Raises:
        GlulamError: saying what it returned.
    """
    try:
        result = env.step(action)
    except ValueError as error:
        if UNPACKING not in str(error):
            raise
        msg = f"{name}: its step() does not return five values ({error}); {older}"
        raise GlulamError(msg) from error
    if not isinstance(result, tuple) or len(result) != STEP:
        msg = f"{name}: its step() returned {_told(result)}, not five; {older}"
        raise GlulamError(msg)


def _told(result: object) -> str:
    return f"{len(result)} values" if isinstance(result, tuple) else f"one {type(result).__name__}"
