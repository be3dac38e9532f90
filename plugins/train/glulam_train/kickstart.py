"""Kickstarting: a frozen teacher that the student imitates at first.

Legend: `B` rows, `A` actions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

import glulam
from glulam import GlulamError

if TYPE_CHECKING:
    from tensordict import TensorDict, TensorDictBase
    from torch import Tensor

    from glulam import Policy
    from glulam_train.configs import KickstartConfig

__all__ = ["KickstartLoss"]


class KickstartLoss:
    """A callable `(current, stored) -> (loss, metrics)`; see `KickstartConfig`."""

    def __init__(self, config: KickstartConfig) -> None:
        self.config = config
        self.factor = 1.0

    def initialize(self, policy: Policy) -> None:
        """Load the teacher into the student's world.

        Raises:
            GlulamError: if there is no such checkpoint, it cannot follow this world, or knows none of its actions.
        """
        try:
            self.teacher = glulam.load(self.config.teacher, policy.env, device=str(policy.device))
        except GlulamError as error:
            msg = f"loss kickstart: teacher {self.config.teacher}: {error}"
            raise GlulamError(msg) from error
        self.teacher.requires_grad_(False).eval()  # noqa: FBT003 - torch's own
        self.actions = policy.env.num_actions

    def start_update(self, agent_steps: int) -> None:
        """Set the factor for the agent-steps trained so far."""
        steps = self.config.anneal_steps
        self.factor = 1.0 if steps is None else max(0.0, 1 - agent_steps / steps)

    def observe(self, td: TensorDict) -> None:
        """Let the teacher see what the student sees and does, and note what it thinks of it, `[B, A]` and `[B]`."""
        config, rows = self.config, td.batch_size[0]
        if not self.factor:  # forgotten: what is stored counts for nothing
            zeros = torch.zeros(rows, self.actions + 1, device=td.get("env_obs").device)
            td.set(config.teacher_log_probs_key, zeros[:, 1:]).set(config.teacher_values_key, zeros[:, 0])
            return
        with torch.no_grad():
            scored = self.teacher.follow(td)
        td.set(config.teacher_log_probs_key, scored.get("full_log_probs"))
        td.set(config.teacher_values_key, scored.get("values"))

    def reset_memory(self) -> None:
        """Let the teacher forget too."""
        self.teacher.reset_memory()

    def __call__(self, current: TensorDictBase, stored: TensorDictBase) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of a minibatch and what to log about it."""
        config, valid = self.config, stored[self.config.valid_key]
        student, teacher = current[config.log_probs_key][valid], stored[config.teacher_log_probs_key][valid]
        # What the teacher cannot do has no probability there, and 0 * -inf is NaN.
        gap = (teacher - student).masked_fill(teacher.isneginf(), 0)
        divergence = (teacher.exp() * gap).sum(-1).mean()
        error = 0.5 * (current[config.values_key] - stored[config.teacher_values_key])[valid].square().mean()
        loss = self.factor * (config.coef * divergence + config.value_coef * error)
        factor = torch.tensor(self.factor)
        return loss, {"divergence": divergence.detach(), "value_error": error.detach(), "factor": factor}
