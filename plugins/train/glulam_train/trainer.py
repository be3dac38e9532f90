"""The trainer: rollout, advantages, epochs of minibatches; one `update` at a time.

Legend: `B` segments, `T` steps.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

import torch

from glulam import GlulamError
from glulam_train.advantages import gae
from glulam_train.buffer import ExperienceBuffer
from glulam_train.rollout import Rollout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tensordict import TensorDict
    from torch import Tensor

    from glulam import Environment, ExperienceSpec, LossConfig, Policy
    from glulam_train.rollout import Outcome
    from glulam_train.settings import TrainSettings

__all__ = ["Trainer"]

COMPUTED = {"advantages", "returns"}


class Trainer:
    """Trains a policy in an environment, in place.

    Args:
        policy: built with the losses that it is to be trained with.
        environment: played on without a break.
        settings: the numbers.

    Raises:
        GlulamError: if the minibatches do not divide the segments, a loss wants what the trainer does not
            compute, or the environment restarts its episodes in another way than `same_step`.
    """

    def __init__(self, policy: Policy, environment: Environment, settings: TrainSettings) -> None:
        self.policy, self.settings = policy, settings
        self.agent_steps = 0
        self.losses = dict(zip(settings.loss_names, policy.resolved.losses, strict=True))
        _check(settings, environment, self.losses)
        spec = policy.experience_spec()
        self.computed = COMPUTED & {key for loss in self.losses.values() for key in loss.computed_keys}
        if self.computed and "values" not in spec:
            msg = f"{', '.join(sorted(self.computed))} are computed from 'values', which no loss has stored"
            raise GlulamError(msg)
        _keep_stored(policy, spec)
        self.rollout = Rollout(policy, environment, settings.horizon)
        self.buffer = ExperienceBuffer(
            spec,
            segments=self.rollout.rows,
            horizon=settings.horizon,
            computed=self.computed,
            device=policy.device,
        )
        self._terms = {name: loss.build() for name, loss in self.losses.items()}
        self._parameters = [weight for weight in policy.parameters() if weight.requires_grad]
        self._adam = torch.optim.Adam(
            self._parameters,
            lr=settings.learning_rate,
            eps=settings.adam_eps,
            fused=True,
        )
        self._shuffles = torch.Generator().manual_seed(settings.seed)

    @property
    def steps_per_update(self) -> int:
        """Agent-steps of one update."""
        return self.rollout.rows * self.settings.horizon

    def update(self) -> dict[str, float | None]:
        """Play one segment in every row, learn from it, and return metrics.

        `ratio_error` is the largest |ratio - 1| between training and rollout before anything was learned:
        above rounding error, memory or resets disagree between the two.

        Raises:
            GlulamError: if the loss or its gradient is not finite; the weights stay as before the minibatch.
        """
        rate = self._set_learning_rate()
        outcome = self.rollout.collect(self.buffer)
        if self.computed:
            self._estimate(outcome)
        sums: defaultdict[str, Tensor | float] = defaultdict(float)
        ratio_error = 0.0
        for epoch in range(self.settings.epochs):
            for number, (stored, state) in enumerate(
                self.buffer.minibatches(self.settings.minibatches, self._shuffles)
            ):
                current = self.policy.evaluate(stored, state)
                if epoch == number == 0:
                    ratio_error = _ratio_error(current, stored)
                for name, value in self._learn(current, stored).items():
                    sums[name] += value
        self.agent_steps += self.steps_per_update
        count = self.settings.epochs * self.settings.minibatches
        means = {name: float(total) / count for name, total in sums.items()}
        return {**self.rollout.episodes.means(), **means, "ratio_error": ratio_error, "learning_rate": rate}

    def _set_learning_rate(self) -> float:
        rate = self.settings.learning_rate
        if self.settings.schedule == "linear":
            rate *= max(0.0, 1 - self.agent_steps / self.settings.steps)
        for group in self._adam.param_groups:
            group["lr"] = rate
        return rate

    def _estimate(self, outcome: Outcome) -> None:
        advantages, returns = gae(
            reward_tp1=outcome.reward_tp1,
            value_t=self.buffer["values"],
            value_tp1=outcome.value_tp1,
            done_tp1=outcome.done_tp1,
            truncated_tp1=outcome.truncated_tp1,
            gamma=self.settings.gamma,
            gae_lambda=self.settings.gae_lambda,
        )
        for key, value in (("advantages", advantages), ("returns", returns)):
            if key in self.buffer:
                self.buffer.fill(key, value)

    def _learn(self, current: TensorDict, stored: TensorDict) -> dict[str, Tensor | float]:
        """Take one step down the gradient of the losses of a minibatch."""
        metrics: dict[str, Tensor | float] = {}
        total: Tensor | float = 0.0
        for name, term in self._terms.items():
            loss, details = term(current, stored)
            total = total + loss
            metrics |= {f"{name}/{key}": value for key, value in details.items()}
        if not isinstance(total, torch.Tensor) or not total.requires_grad:
            msg = f"the losses {', '.join(self._terms)} have no gradient: nothing would be learned"
            raise GlulamError(msg)
        self._adam.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, self.settings.max_grad_norm)
        self._check_finite(total.item(), norm.item())
        self._adam.step()
        return metrics | {"loss": total.detach(), "grad_norm": norm}

    def _check_finite(self, loss: float, norm: float) -> None:
        if not (math.isfinite(loss) and math.isfinite(norm)):
            msg = (
                f"training stopped after {self.agent_steps} agent-steps: the loss is {loss}, the norm of its "
                f"gradient {norm}; the last checkpoint is intact. Try a smaller learning_rate than "
                f"{self.settings.learning_rate:g}"
            )
            raise GlulamError(msg)


def _check(settings: TrainSettings, environment: Environment, losses: Mapping[str, LossConfig]) -> None:
    spec = environment.spec
    segments = settings.num_envs * spec.num_agents
    if segments % settings.minibatches:
        divisors = [count for count in range(1, min(segments, 64) + 1) if segments % count == 0]
        msg = (
            f"minibatches is {settings.minibatches}, which does not divide the {segments} segments of an "
            f"update ({settings.num_envs} environments x {spec.num_agents} agents): write one of {divisors}"
        )
        raise GlulamError(msg)
    if spec.autoreset != "same_step":
        msg = f"environment {spec.name!r} has autoreset {spec.autoreset!r}; this trainer knows only same_step"
        raise GlulamError(msg)
    for name, loss in losses.items():
        strange = sorted(set(loss.computed_keys) - COMPUTED)
        if strange:
            known = ", ".join(sorted(COMPUTED))
            msg = f"loss {name!r} wants {strange[0]!r} computed; the trainer computes {known}"
            raise GlulamError(msg)


def _keep_stored(policy: Policy, spec: ExperienceSpec) -> None:
    """Have the policy give out, in rollout too, what a loss or a layer wants stored from inside it."""
    inside = set(policy.writable_keys()) - {*policy.out_keys, *policy.action_head.act_keys}
    wanted = [key for key in spec if isinstance(key, str) and key in inside]
    if wanted:
        policy.keep = tuple(dict.fromkeys([*policy.keep, *wanted]))


def _ratio_error(current: TensorDict, stored: TensorDict) -> float:
    now, then = current.get("act_log_prob", None), stored.get("act_log_prob", None)
    if now is None or then is None:
        return 0.0
    return float(((now.detach() - then).exp() - 1).abs().max())
