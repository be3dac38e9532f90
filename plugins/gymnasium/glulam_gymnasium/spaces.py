"""From an environment's spaces to an `EnvSpec`. No torch here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glulam import EnvSpec
from glulam_gymnasium.actions import action_spec
from glulam_gymnasium.first_look import offered
from glulam_gymnasium.observations import Numbers

if TYPE_CHECKING:
    import gymnasium

    from glulam_gymnasium import Autoreset

__all__ = ["box_spec"]


def box_spec(env: gymnasium.Env[Any, Any], *, name: str, autoreset: Autoreset) -> tuple[EnvSpec, Numbers]:
    """Return the spec of an environment, which is reset and stepped once, and how its observations are shown.

    Raises:
        GlulamError: if it observes or does something that has no mapping, or answers as an older API has it.
    """
    actions = action_spec(env, name=name)
    numbers = Numbers(env.observation_space, actions, name=name)
    spec = EnvSpec(
        name=name,
        box=numbers.box,
        actions=actions,
        optional_inputs=offered(env, actions, name=name, numbers=numbers),
        autoreset=autoreset,
    )
    return spec, numbers
