"""The trainer: rollout, advantages, epochs of minibatches; one `update` at a time.

Legend: `B` rows of the environment, `H` steps of a rollout, `S` segments of `T` steps in a minibatch.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import torch

from glulam import GlulamError
from glulam_train.advantages import gae
from glulam_train.buffer import ExperienceBuffer
from glulam_train.optimizer import Optimizer
from glulam_train.reward_scale import RewardScale
from glulam_train.rollout import Rollout
from glulam_train.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tensordict import TensorDict
    from torch import Tensor

    from glulam import Environment, ExperienceSpec, LossConfig, Policy
    from glulam_train.buffer import Minibatch
    from glulam_train.rollout import Outcome
    from glulam_train.settings import TrainSettings

__all__ = ["Trainer"]

COMPUTED = {"advantages", "returns", "valid"}


class Trainer:
    """Trains a policy in an environment, in place.

    Args:
        policy: built with the losses that it is to be trained with.
        environment: played on without a break.
        settings: the numbers.

    Raises:
        GlulamError: if the minibatches do not divide the segments, a loss wants what the trainer does not
            compute, or a loss does not know of actions that the environment ignores.
    """

    def __init__(self, policy: Policy, environment: Environment, settings: TrainSettings) -> None:
        self.policy, self.settings = policy, settings
        self.agent_steps = 0
        self.losses = dict(zip(settings.loss_names, policy.resolved.losses, strict=True))
        world = World(environment)
        _check(settings, world, self.losses)
        spec = policy.experience_spec()
        self.computed = COMPUTED & {key for loss in self.losses.values() for key in loss.computed_keys}
        if self.computed - {"valid"} and "values" not in spec:
            msg = f"{', '.join(sorted(self.computed))} are computed from 'values', which no loss has stored"
            raise GlulamError(msg)
        _keep_stored(policy, spec)
        self.terms = {name: loss.build() for name, loss in self.losses.items()}
        self._call("initialize", policy)
        observers = [term for term in self.terms.values() if hasattr(term, "observe")]
        self.rollout = Rollout(policy, world, settings.horizon, observers)
        self.buffer = ExperienceBuffer(
            spec,
            rows=self.rollout.rows,
            horizon=settings.horizon,
            segment=settings.segment,
            computed=self.computed,
            following={key for loss in self.losses.values() for key in loss.next_keys},
            device=policy.device,
        )
        self.optimizer = Optimizer(policy, self._own_weights(), settings)
        self.reward_scale = RewardScale(self.rollout.rows, settings.gamma) if settings.normalize_returns else None
        self.shuffles = torch.Generator().manual_seed(settings.seed)

    @property
    def steps_per_update(self) -> int:
        """Agent-steps of one update."""
        return self.rollout.rows * self.settings.horizon

    def enter(self, environment: Environment) -> None:
        """Go on in another environment of the same kind; memory and unfinished episodes are forgotten."""
        self._call("reset_memory")
        self.rollout.enter(World(environment))
        if self.reward_scale is not None:
            self.reward_scale.forget_unfinished()

    def update(self) -> dict[str, float | None]:
        """Play one rollout in every row, learn from it, and return metrics.

        `ratio_error` is the largest |ratio - 1| between training and rollout before anything was learned:
        above rounding error, memory or resets disagree between the two.

        Raises:
            GlulamError: if the loss or its gradient is not finite; the weights stay as before the minibatch.
        """
        rate = self.optimizer.start_update(self.agent_steps)
        self._call("start_update", self.agent_steps)
        outcome = self.rollout.collect(self.buffer)
        self._compute(outcome)
        sums: defaultdict[str, Tensor | float] = defaultdict(float)
        ratio_error = 0.0
        for epoch in range(self.settings.epochs):
            for number, part in enumerate(self.buffer.minibatches(self.settings.minibatches, self.shuffles)):
                current, learned = self._evaluate(part)
                if epoch == number == 0:
                    ratio_error = _ratio_error(current, learned.steps)
                for name, value in self._learn(current, learned.stored()).items():
                    sums[name] += value
        if "env_obs" in self.buffer:  # between updates: within one, training and rollout must see the same numbers
            self.policy.each("update_statistics", self.buffer["env_obs"].flatten(0, 1))
        self.agent_steps += self.steps_per_update
        count = self.settings.epochs * self.settings.minibatches
        means = {name: float(total) / count for name, total in sums.items()}
        if self.reward_scale is not None:
            means["reward_scale"] = self.reward_scale.spread
        return {**self.rollout.episodes.means(), **means, "ratio_error": ratio_error, "learning_rate": rate}

    def _evaluate(self, part: Minibatch) -> tuple[TensorDict, Minibatch]:
        """Return what the policy makes of some segments now, and the steps of them that are learned from.

        With a burn-in the present weights first bring the stored memory up to date, without gradient.
        """
        state, burn_in = part.starts, self.settings.burn_in
        if burn_in:
            with torch.no_grad():
                state = self.policy.unroll(part.steps[:, :burn_in], state)[1]
            part = part.after(burn_in)
        return self.policy.evaluate(part.steps, state), part

    def _compute(self, outcome: Outcome) -> None:
        """Fill in what follows from a rollout."""
        found = {"valid": outcome.valid_t}
        if self.computed - {"valid"}:
            rewards = outcome.reward_tp1
            if self.reward_scale is not None:
                rewards = self.reward_scale.scale(rewards, outcome.done_tp1 | outcome.truncated_tp1)
            found["advantages"], found["returns"] = gae(
                reward_tp1=rewards,
                value_t=self.buffer["values"],
                value_tp1=outcome.value_tp1,
                done_tp1=outcome.done_tp1,
                truncated_tp1=outcome.truncated_tp1,
                gamma=self.settings.gamma,
                gae_lambda=self.settings.gae_lambda,
            )
        for key, value in found.items():
            if key in self.computed:
                self.buffer.fill(key, value)

    def _learn(self, current: TensorDict, stored: TensorDict) -> dict[str, Tensor | float]:
        """Take one step down the gradient of the losses of a minibatch."""
        metrics: dict[str, Tensor | float] = {}
        total: Tensor | float = 0.0
        for name, term in self.terms.items():
            loss, details = term(current, stored)
            total = total + loss
            metrics |= {f"{name}/{key}": value for key, value in details.items()}
        if not isinstance(total, torch.Tensor) or not total.requires_grad:
            msg = f"the losses {', '.join(self.terms)} have no gradient: nothing would be learned"
            raise GlulamError(msg)
        norm = self.optimizer.step(total)
        self._check_finite(total.item(), norm.item())
        return metrics | {"loss": total.detach(), "grad_norm": norm}

    def _check_finite(self, loss: float, norm: float) -> None:
        if not (math.isfinite(loss) and math.isfinite(norm)):
            msg = (
                f"training stopped after {self.agent_steps} agent-steps: the loss is {loss}, the norm of its "
                f"gradient {norm}; the last checkpoint is intact. Try a smaller learning_rate than "
                f"{self.settings.learning_rate:g}"
            )
            raise GlulamError(msg)

    def _call(self, method: str, *args: Any) -> None:  # noqa: ANN401 - whatever the losses' method takes
        """Call a method on every loss that has it."""
        for term in self.terms.values():
            if hasattr(term, method):
                getattr(term, method)(*args)

    def _own_weights(self) -> dict[str, torch.nn.Parameter]:
        """Return the weights of the losses by name; one that a loss shares with the policy is the policy's."""
        known = set(self.policy.parameters())
        named = {
            f"losses.{name}.{number}": weight
            for name, term in self.terms.items()
            if hasattr(term, "parameters")
            for number, weight in enumerate(term.parameters())
        }
        return {name: weight for name, weight in named.items() if weight.requires_grad and weight not in known}


def _check(settings: TrainSettings, world: World, losses: Mapping[str, LossConfig]) -> None:
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
    for name, loss in losses.items():
        strange = sorted(set(loss.computed_keys) - COMPUTED)
        if strange:
            known = ", ".join(sorted(COMPUTED))
            msg = f"loss {name!r} wants {strange[0]!r} computed; the trainer computes {known}"
            raise GlulamError(msg)
        if world.has_garbage and "valid" not in loss.stored_keys:
            msg = (
                f"loss {name!r} does not read 'valid', and environment {spec.name!r} (autoreset {spec.autoreset!r}) "
                "has steps whose actions are ignored: take it with same_step, or another loss"
            )
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
