"""A policy class that builds from no layer config at all. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from attrs.validators import gt

import glulam

if TYPE_CHECKING:
    from glulam_policies.mlp_policy import MlpPolicy

__all__ = ["ChoiceKeys", "MlpClassConfig"]


@attrs.frozen(kw_only=True)
class MlpClassConfig(glulam.PolicyConfig):
    """Two plain networks for worlds of numbers with discrete actions, written as they would be without glulam.

    Attributes:
        name: of the policy.
        hidden_size: width of the two hidden layers of each network.
    """

    name: str = "mlp_class"
    hidden_size: int = attrs.field(default=64, validator=gt(0))

    def build_policy(self, resolved: glulam.ResolvedPolicy) -> MlpPolicy:
        """Return the policy for the environment of `resolved`."""
        from glulam_policies.mlp_policy import MlpPolicy

        return MlpPolicy(resolved, self)


@glulam.layer
class ChoiceKeys(glulam.LayerConfig):
    """The keys of the policy's own action head: all that the outside needs to know of it.

    Attributes:
        in_key: the logits.
        actions_key: the actions that are drawn, or were taken.
        log_prob_key: their log-probabilities.
        entropy_key: the entropy of the choice.
    """

    in_key: str = glulam.reads(default="logits", shape="A")
    actions_key: str = glulam.writes(default="actions", dtype="int64", shape="", phase="act")
    log_prob_key: str = glulam.writes(default="act_log_prob", shape="")
    entropy_key: str = glulam.writes(default="entropy", shape="", phase="score")
