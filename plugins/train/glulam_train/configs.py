"""What this plugin offers as losses: their configs, without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from attrs.validators import ge, gt, optional

import glulam

if TYPE_CHECKING:
    from glulam_train.kickstart import KickstartLoss
    from glulam_train.ppo import PpoLoss
    from glulam_train.prediction import PredictionLoss

__all__ = ["KickstartConfig", "PpoConfig", "PredictionConfig"]


@glulam.layer
class PpoConfig(glulam.LossConfig):
    """Proximal policy optimisation with a clipped surrogate (Schulman et al. 2017, equation 9).

    The loss is `policy + value_coef * value - entropy_coef * entropy`, over the steps whose actions count.

    Attributes:
        log_prob_key: Key of the present policy's log probabilities of the stored actions, one number a step.
        entropy_key: Key of the present policy's entropies, one number a step.
        values_key: Key of the present policy's values, one number a step.
        old_log_prob_key: Key of the log probabilities of the rollout.
        old_values_key: Key of the values of the rollout.
        advantages_key: Key of the advantages.
        returns_key: Key of the returns, what values are to foresee.
        valid_key: Key of whether a step's action counted.
        clip: How far the ratio of new to stored probability may move from 1, up or down, before the surrogate stops
            rising.
        value_coef: Weight of the value loss, which is half the mean squared error from the returns.
        entropy_coef: Weight of the mean entropy, which the loss rewards; 0 for no such reward.
        clip_values: How far a value may move from the stored one before its error stops falling; null for no limit.
        normalize_advantage: Whether advantages are shifted and scaled to mean 0 and standard deviation 1 in each
            minibatch.
    """

    log_prob_key: str = glulam.reads("act_log_prob", shape="")
    entropy_key: str = glulam.reads("entropy", shape="")
    values_key: str = glulam.reads("values", shape="")
    old_log_prob_key: str = glulam.stored("act_log_prob", shape="")
    old_values_key: str = glulam.stored("values", shape="")
    advantages_key: str = glulam.stored("advantages", shape="", writer="trainer")
    returns_key: str = glulam.stored("returns", shape="", writer="trainer")
    valid_key: str = glulam.stored("valid", dtype="bool", shape="", writer="trainer")
    clip: float = attrs.field(default=0.2, validator=gt(0))
    value_coef: float = attrs.field(default=0.5, validator=ge(0))
    entropy_coef: float = attrs.field(default=0.01, validator=ge(0))
    clip_values: float | None = attrs.field(default=None, validator=optional(gt(0)))
    normalize_advantage: bool = True

    def build(self) -> PpoLoss:
        """Return the loss."""
        from glulam_train.ppo import PpoLoss

        return PpoLoss(self)


@glulam.layer
class KickstartConfig(glulam.LossConfig):
    """A teacher's policy and values, to be imitated at first (Schmitt et al. 2018, "Kickstarting").

    The loss is `coef * KL(teacher, student) + value_coef * value`, over the steps whose actions count and times a
    factor that falls from 1 to 0. The teacher follows the student through the rollout with a memory of its own, and
    never learns.

    Attributes:
        log_probs_key: Key of the student's log probabilities of all actions.
        values_key: Key of the student's values, one number a step.
        teacher_log_probs_key: Key under which the teacher's log probabilities are stored.
        teacher_values_key: Key under which the teacher's values are stored.
        valid_key: Key of whether a step's action counted.
        teacher: Path of the teacher's checkpoint, from this environment or another; its features, tags and actions are
            found by name, and what it does not know it neither sees nor teaches.
        aliases: Names of this environment that the teacher knows by another, such as `{quarry: mine}`.
        coef: Weight of the divergence from the teacher's policy.
        value_coef: Weight of half the mean squared error from the teacher's values; write 0 where either is
            trained with `normalize_returns`, since the units of values differ then.
        anneal_steps: Agent-steps after which the teacher is forgotten; null for never.
    """

    log_probs_key: str = glulam.reads("full_log_probs")
    values_key: str = glulam.reads("values", shape="")
    teacher_log_probs_key: str = glulam.stored("teacher_log_probs", shape="env.num_actions", writer="loss")
    teacher_values_key: str = glulam.stored("teacher_values", shape="", writer="loss")
    valid_key: str = glulam.stored("valid", dtype="bool", shape="", writer="trainer")
    teacher: str = attrs.field()
    aliases: dict[str, str] = attrs.field(factory=dict)
    coef: float = attrs.field(default=1.0, validator=ge(0))
    value_coef: float = attrs.field(default=0.5, validator=ge(0))
    anneal_steps: int | None = attrs.field(default=None, validator=optional(gt(0)))

    def build(self) -> KickstartLoss:
        """Return the loss."""
        from glulam_train.kickstart import KickstartLoss

        return KickstartLoss(self)


@glulam.layer
class PredictionConfig(glulam.LossConfig):
    """An auxiliary loss over time: what the policy knows at one step is to foretell a number or vector of the next.

    A linear map of its own, trained with the policy, predicts the stored target; the loss is `coef` times the mean
    squared error, over steps whose action counted and whose episode went on.

    Attributes:
        in_key: Key of the policy's vector at the step.
        target_key: Key of what is foretold, as the rollout had it at the next step.
        done_key: Key of whether an episode had ended before a step.
        truncated_key: Key of whether an episode had been cut off before a step.
        valid_key: Key of whether a step's action counted.
        coef: Weight of the loss.
    """

    in_key: str = glulam.reads("core", shape="in_dim")
    target_key: str = glulam.stored("rewards", dtype="any", next_step=True)
    done_key: str = glulam.stored("dones", dtype="bool", shape="", next_step=True)
    truncated_key: str = glulam.stored("truncateds", dtype="bool", shape="", next_step=True)
    valid_key: str = glulam.stored("valid", dtype="bool", shape="", writer="trainer")
    coef: float = attrs.field(default=1.0, validator=gt(0))

    def build(self) -> PredictionLoss:
        """Return the loss."""
        from glulam_train.prediction import PredictionLoss

        return PredictionLoss(self)
