"""Kickstarting: a frozen teacher that the student imitates at first.

Legend: `B` rows, `A` actions.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

import glulam
from glulam import EnvSpec, GlulamError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tensordict import TensorDict, TensorDictBase
    from torch import Tensor

    from glulam import Policy
    from glulam_train.configs import KickstartConfig
    from glulam_train.settings import TrainSettings

__all__ = ["KickstartLoss"]


class KickstartLoss:
    """A callable `(current, stored) -> (loss, metrics)`; see `KickstartConfig`."""

    def __init__(self, config: KickstartConfig) -> None:
        self.config = config
        self.factor, self.drift = 1.0, False

    def check_settings(self, settings: TrainSettings) -> None:
        """Refuse values that are of scaled returns: no checkpoint holds what the teacher's are divided by.

        Raises:
            GlulamError: if they were to be compared with the teacher's.
        """
        if settings.normalize_returns and self.config.value_coef:
            msg = "loss kickstart: normalize_returns puts values into units that the teacher does not know: "
            msg += "set kickstart.value_coef to 0"
            raise GlulamError(msg)

    def allow_version_drift(self) -> None:
        """Accept a teacher of other versions of plug-ins."""
        self.drift = True

    def initialize(self, policy: Policy) -> None:
        """Load the teacher into the student's world.

        Raises:
            GlulamError: if there is no such checkpoint, it cannot follow this world, knows none of its actions, or
                gives no values.
        """
        path = Path(self.config.teacher)
        try:
            header, _ = glulam.read_tensors(path)
            self.teacher = glulam.load(
                path,
                policy.env,
                aliases=self.config.aliases,
                device=str(policy.device),
                allow_version_drift=self.drift,
            )
            saved = EnvSpec.from_dict(header["environment"]).renamed(header["aliases"])
            self._check(saved.actions.names, policy)
        except GlulamError as error:
            hint = "" if path.is_absolute() or path.exists() else f" (looked for in {Path.cwd()})"
            msg = f"loss kickstart: teacher {path}{hint}: {error}"
            raise GlulamError(msg) from error
        self.teacher.requires_grad_(False).eval()  # noqa: FBT003 - torch's own
        self.digest = torch.tensor(list(bytes.fromhex(header["sha256"])), dtype=torch.uint8)

    def _check(self, known: tuple[str, ...], policy: Policy) -> None:
        actions = self.teacher.env.renamed(self.teacher.aliases).actions.names
        self.strange = torch.tensor([name not in {*known} for name in actions], device=policy.device)
        self.knows_all = not bool(self.strange.any())
        if bool(self.strange.all()):
            msg = f"it knows {', '.join(known)}, and the world has {', '.join(actions)}: it can teach no action"
            raise GlulamError(msg)
        given = {*self.teacher.out_keys, *self.teacher.action_head.score_keys}
        missing = {"full_log_probs", *(["values"] if self.config.value_coef else [])} - given
        if missing:
            msg = f"it gives no {' nor '.join(sorted(missing))}" + ("; set value_coef to 0" * ("values" in missing))
            raise GlulamError(msg)

    def start_update(self, agent_steps: int) -> None:
        """Set the factor for the agent-steps trained so far."""
        steps = self.config.anneal_steps
        self.factor = 1.0 if steps is None else max(0.0, 1 - agent_steps / steps)

    def observe(self, td: TensorDict) -> None:
        """Let the teacher see what the student sees and does, and note what it thinks of it, `[B, A]` and `[B]`.

        An action that the teacher does not know has no probability, whether its head goes by names or not.
        """
        rows, device = td.batch_size[0], self.strange.device
        log_probs, values = torch.zeros(rows, len(self.strange), device=device), torch.zeros(rows, device=device)
        if self.factor:
            with torch.no_grad():
                scored = self.teacher.follow(td)
            log_probs, values = scored.get("full_log_probs"), scored.get("values", values)
            if not self.knows_all:
                log_probs = log_probs.masked_fill(self.strange, -torch.inf)
                if self.teacher.env.actions.kind == "discrete":  # a head of several choices sees to each itself
                    log_probs = log_probs.log_softmax(-1)
        td.set(self.config.teacher_log_probs_key, log_probs).set(self.config.teacher_values_key, values)

    def reset_memory(self) -> None:
        """Let the teacher forget too."""
        self.teacher.reset_memory()

    def state_dict(self) -> dict[str, Tensor]:
        """Return what tells the teacher from another, the checksum of its checkpoint: uint8 `[32]`."""
        return {"teacher": self.digest}

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Refuse to go on with another teacher than that of `state_dict`, uint8 `[32]`.

        Raises:
            GlulamError: if the checkpoint was replaced since.
        """
        if not torch.equal(tensors["teacher"], self.digest):
            msg = f"loss kickstart: teacher {self.config.teacher} is not the one that this run began with"
            raise GlulamError(msg)

    def __call__(self, current: TensorDictBase, stored: TensorDictBase) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of a minibatch and what to log about it."""
        config, valid = self.config, stored[self.config.valid_key]
        factor = torch.tensor(self.factor)
        if not self.factor:  # what is stored is no teacher's
            return 0 * current[config.values_key].sum(), {"factor": factor}
        counted = valid.flatten().nonzero().squeeze(1)  # once: on a GPU that waits
        student, teacher = (
            log_probs.flatten(0, 1)[counted]
            for log_probs in (current[config.log_probs_key], stored[config.teacher_log_probs_key])
        )
        # What the teacher cannot do has no probability there, and 0 * -inf is NaN.
        gap = (teacher - student).masked_fill(teacher.isneginf(), 0)
        divergence = (teacher.exp() * gap).sum(-1).mean()
        gap = (current[config.values_key] - stored[config.teacher_values_key]).flatten()[counted]
        error = 0.5 * gap.square().mean()
        loss = self.factor * (config.coef * divergence + config.value_coef * error)
        return loss, {"divergence": divergence.detach(), "value_error": error.detach(), "factor": factor}
