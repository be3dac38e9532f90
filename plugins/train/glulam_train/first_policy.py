"""The policy that a training begins with: new, partly another's, or that of a point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import glulam
from glulam import GlulamError

if TYPE_CHECKING:
    import torch

    from glulam import EnvSpec, Policy
    from glulam_train.resume import Point
    from glulam_train.settings import TrainSettings

__all__ = ["first_policy"]


def first_policy(
    settings: TrainSettings, world: EnvSpec, device: torch.device, point: Point | None, *, drift: bool
) -> Policy:
    """Return a policy built for a world with the losses of a training.

    Args:
        settings: of the training.
        world: its environment.
        device: where the policy runs.
        point: where an earlier run stood, to go on from.
        drift: accept checkpoints of other versions of plug-ins.

    Raises:
        GlulamError: if policy, losses or checkpoints do not do.
    """
    if point is not None:
        with point.policy_file() as path:
            return glulam.load(path, world, losses=settings.losses, device=str(device), allow_version_drift=drift)
    policy = glulam.build(settings.policy, world, device=device, losses=settings.losses)
    if settings.init_from is not None:
        glulam.warm_start(
            policy,
            settings.init_from,
            settings.init_layers,
            learn_names=settings.init_learn_names,
            allow_version_drift=drift,
        )
    elif settings.init_layers is not None:
        msg = "init_layers names layers of a checkpoint: write init_from too"
        raise GlulamError(msg)
    return policy
