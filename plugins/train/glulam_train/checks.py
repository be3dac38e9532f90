"""What a trainer cannot do, said before anything is played."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from glulam import GlulamError

if TYPE_CHECKING:
    from torch import Tensor

    from glulam import LossConfig, Policy
    from glulam_train.settings import TrainSettings
    from glulam_train.world import World

__all__ = ["COMPUTED", "check_losses", "check_settings", "checked_result"]

COMPUTED = {"advantages", "returns", "valid"}
"""Keys that the trainer fills in after a rollout."""


def check_settings(settings: TrainSettings, world: World) -> None:
    """Refuse sizes that do not divide one another.

    Raises:
        GlulamError: naming the setting and what to write.
    """
    spec = world.spec
    segment = settings.segment or settings.horizon
    if settings.horizon % segment:
        divisors = [size for size in range(1, settings.horizon + 1) if settings.horizon % size == 0]
        msg = f"segment is {segment}, which does not divide the horizon of {settings.horizon}: write one of {divisors}"
        raise GlulamError(msg)
    if settings.burn_in >= segment:
        msg = f"burn_in is {settings.burn_in}, which leaves nothing of segments of {segment} steps: write less"
        raise GlulamError(msg)
    segments = settings.num_envs * spec.num_agents * (settings.horizon // segment)
    if segments % settings.minibatches:
        divisors = [count for count in range(1, min(segments, 64) + 1) if segments % count == 0]
        msg = (
            f"minibatches is {settings.minibatches}, which does not divide the {segments} segments of an "
            f"update ({settings.num_envs} environments x {spec.num_agents} agents x {settings.horizon // segment} "
            f"of {segment} steps): write one of {divisors}"
        )
        raise GlulamError(msg)


def check_losses(policy: Policy, world: World, losses: Mapping[str, LossConfig]) -> None:
    """Refuse losses that want what nobody computes or knows, or that would learn from ignored actions.

    Raises:
        GlulamError: naming the loss and the key.
    """
    spec = world.spec
    for name, loss in losses.items():
        strange = sorted(set(loss.computed_keys) - COMPUTED)
        if strange:
            known = ", ".join(sorted(COMPUTED))
            msg = f"loss {name!r} wants {strange[0]!r} computed; the trainer computes {known}"
            raise GlulamError(msg)
        if world.has_garbage and "valid" not in loss.stored_keys:
            why, else_ = f"autoreset {spec.autoreset!r}", "take it with same_step, or another loss"
            if spec.autoreset == "same_step":
                why, else_ = "whose agents come and go", "take another loss"
            msg = (
                f"loss {name!r} does not read 'valid', and environment {spec.name!r} ({why}) "
                f"has steps whose actions are ignored: {else_}"
            )
            raise GlulamError(msg)
    _check_next(policy, losses)


def checked_result(name: str, result: object) -> tuple[Tensor, Mapping[str, Tensor | float]]:
    """Return what a loss returned.

    Raises:
        GlulamError: if it is not a scalar and its metrics.
    """
    if isinstance(result, tuple) and len(result) == 2:  # noqa: PLR2004 - a pair
        loss, metrics = result
        if isinstance(loss, torch.Tensor) and not loss.shape and isinstance(metrics, Mapping):
            return loss, metrics
    found = f"a tuple of {len(result)}" if isinstance(result, tuple) else type(result).__name__
    if isinstance(result, torch.Tensor):
        found = f"a tensor of shape {list(result.shape)}"
    msg = f"loss {name!r} returned {found}; it must return a scalar tensor and a mapping of metrics"
    raise GlulamError(msg)


def _check_next(policy: Policy, losses: Mapping[str, LossConfig]) -> None:
    """Refuse keys of the next step that nobody knows at the end of a rollout: what is only known once acted."""
    known = {*policy.env.inputs, *policy.out_keys, *policy.writable_keys()} - {*policy.action_head.score_keys}
    for name, loss in losses.items():
        missing = [key for key in loss.next_keys if key not in known - {*policy.action_head.act_keys}]
        if missing:
            msg = f"loss {name!r} reads {missing[0]!r} of the next step, where no action has been chosen yet; "
            raise GlulamError(msg + f"there are: {', '.join(sorted(known - {*policy.action_head.act_keys}))}")
