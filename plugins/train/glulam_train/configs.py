"""What this plugin offers as losses: their configs, without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs
from attrs.validators import ge, gt, optional

import glulam

if TYPE_CHECKING:
    from glulam_train.ppo import PpoLoss

__all__ = ["PpoConfig"]


@glulam.layer
class PpoConfig(glulam.LossConfig):
    """Proximal policy optimisation with a clipped surrogate (Schulman et al. 2017, equation 9).

    The loss is `policy + value_coef * value - entropy_coef * entropy`.

    Attributes:
        log_prob_key: Key of the present policy's log probabilities of the stored actions, one number a step.
        entropy_key: Key of the present policy's entropies, one number a step.
        values_key: Key of the present policy's values, one number a step.
        clip: How far the ratio of new to stored probability may move from 1, up or down, before the surrogate stops
            rising.
        value_coef: Weight of the value loss, which is half the mean squared error from the returns.
        entropy_coef: Weight of the mean entropy, which the loss rewards; 0 for no such reward.
        clip_values: How far a value may move from the stored one before its error stops falling; null for no limit.
        normalize_advantage: Whether advantages are shifted and scaled to mean 0 and standard deviation 1 in each
            minibatch.
    """

    stored_keys: ClassVar[tuple[str, ...]] = ("actions", "act_log_prob", "values", "advantages", "returns")
    computed_keys: ClassVar[tuple[str, ...]] = ("advantages", "returns")

    log_prob_key: str = glulam.reads("act_log_prob", shape="")
    entropy_key: str = glulam.reads("entropy", shape="")
    values_key: str = glulam.reads("values", shape="")
    clip: float = attrs.field(default=0.2, validator=gt(0))
    value_coef: float = attrs.field(default=0.5, validator=ge(0))
    entropy_coef: float = attrs.field(default=0.01, validator=ge(0))
    clip_values: float | None = attrs.field(default=None, validator=optional(gt(0)))
    normalize_advantage: bool = True

    def build(self) -> PpoLoss:
        """Return the loss."""
        from glulam_train.ppo import PpoLoss

        return PpoLoss(self)
