"""An episode, step by step: what was seen, what was done there, and what that earned.

Legend: `A` agents of one world.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import attrs
import torch

import glulam
from glulam import GlulamError
from glulam_train.evaluation import drawing_as_of, set_aside, world_seed
from glulam_train.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from glulam import ActionSpec, Policy, RenderableEnvironment

__all__ = ["Moment", "playing"]


@attrs.frozen(eq=False, kw_only=True)
class Moment:
    """One step of an episode, or its end, where nothing is done any more.

    Attributes:
        episode: which one, from 1.
        step: which one, from 0; at the end, how many there were.
        view: a picture `(H, W, 3)` of what is seen, or lines of text.
        actions: what each agent does there, by name; none at the end.
        values: what the policy expects of it, one number an agent; none where it has no values.
        rewards: what that earned, one number an agent.
        returns: of the episode so far, with these rewards, one number an agent.
    """

    episode: int
    step: int
    view: NDArray[np.uint8] | str
    actions: list[str]
    values: list[float]
    rewards: list[float]
    returns: list[float]

    @property
    def is_end(self) -> bool:
        """Whether the episode has ended here."""
        return not self.actions

    @property
    def mean_return(self) -> float:
        """The mean of the agents' returns so far."""
        return sum(self.returns) / len(self.returns)


@contextmanager
def playing(  # noqa: PLR0913 - each an independent, named choice
    policy: Policy, env: str, *, episodes: int = 1, seed: int = 0, greedy: bool = False, as_text: bool = False
) -> Iterator[Iterator[Moment]]:
    """Give the moments of a few episodes, to be taken one by one while this is open.

    They start as the first ones of the first world that `glulam eval` plays in with that seed.

    Args:
        policy: initialised to the environment; its memory is cleared before and after.
        env: an environment that can be looked at.
        episodes: how many.
        seed: of episodes and actions.
        greedy: take the likeliest action instead of drawing one.
        as_text: see text where the environment has it, and pictures elsewhere.

    Raises:
        GlulamError: if `episodes` or `seed` is out of range, or the environment cannot be made or looked at.
    """
    if episodes < 1 or seed < 0:
        msg = f"episodes is {episodes} and seed {seed}: write at least 1 episode and a seed of at least 0"
        raise GlulamError(msg)
    with (
        closing(glulam.make_environment(env, num_envs=1, seed=world_seed(seed), render=True)) as environment,
        set_aside(policy, greedy=greedy),
        torch.no_grad(),
        drawing_as_of(seed),
    ):
        yield _moments(policy, environment, episodes, as_text=as_text)


def _moments(policy: Policy, environment: RenderableEnvironment, episodes: int, *, as_text: bool) -> Iterator[Moment]:
    world = World(environment)
    look = _look(environment, as_text=as_text)
    td = world.reset()
    valid = torch.ones(td.batch_size, dtype=torch.bool)  # (A,)
    for episode in range(1, episodes + 1):
        going, returns, count = torch.ones_like(valid), torch.zeros(valid.shape, dtype=torch.float64), 0
        while bool(going.any()):
            view = look(final=False) if bool(valid.any()) else None
            acted = policy(td.to(policy.device))
            actions = _names(environment.spec.actions, acted.get("actions"))
            values = acted.get("values", None)
            step = world.step(acted.get("actions"))
            td, counted, valid = step.td, valid, step.valid.cpu()
            if view is None:  # under next_step the world has only started the next episode
                continue
            earned = step.reward.cpu().double() * (going & counted)
            returns += earned
            yield Moment(
                episode=episode, step=count, view=view, actions=actions, rewards=earned.tolist(),
                values=[] if values is None else values.tolist(), returns=returns.tolist(),
            )  # fmt: skip
            count += 1
            going &= ~(step.done | step.truncated).cpu()
        yield Moment(
            episode=episode, step=count, view=look(final=True), actions=[], values=[], rewards=[],
            returns=returns.tolist(),
        )  # fmt: skip


def _look(environment: RenderableEnvironment, *, as_text: bool) -> Any:  # noqa: ANN401 - render or render_text of row 0
    from functools import partial

    has_text = callable(getattr(environment, "render_text", None))
    return partial(environment.render_text if as_text and has_text else environment.render, 0)  # type: ignore[attr-defined]


def _names(spec: ActionSpec, actions: Tensor) -> list[str]:
    """Return what each agent does: a name, a name for each choice, or a number for each name."""
    if spec.kind == "continuous":
        return ["  ".join(f"{name} {number:.2f}" for name, number in zip(spec.names, row, strict=True))
                for row in actions.tolist()]  # fmt: skip
    offsets = [sum(spec.choices[:place]) for place in range(len(spec.choices) or 1)]
    rows = actions.reshape(len(actions), -1).tolist()
    return ["  ".join(spec.names[offset + index] for offset, index in zip(offsets, row, strict=True)) for row in rows]
