"""The trainer: rollout, advantages, epochs of minibatches; one `update` at a time.

Legend: `B` rows of the environment, `H` steps of a rollout, `S` segments of `T` steps in a minibatch.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NoReturn

import torch

from glulam import GlulamError
from glulam_train.advantages import gae
from glulam_train.buffer import ExperienceBuffer
from glulam_train.checks import COMPUTED, check_losses, check_settings, checked_result
from glulam_train.diagnosis import first_not_finite
from glulam_train.optimizer import Optimizer, policy_parts
from glulam_train.ranks import RankError, Ranks
from glulam_train.reward_scale import RewardScale
from glulam_train.rollout import Rollout
from glulam_train.workers.groups import worlds_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tensordict import TensorDict
    from torch import Tensor

    from glulam import Environment, ExperienceSpec, Policy
    from glulam_train.buffer import Minibatch
    from glulam_train.rollout import Outcome
    from glulam_train.settings import TrainSettings
    from glulam_train.workers.groups import Groups

__all__ = ["Trainer"]


class Trainer:
    """Trains a policy in an environment, in place.

    Args:
        policy: built with the losses that it is to be trained with.
        environment: played on without a break; or several, by turns.
        settings: the numbers.
        ranks: who trains the same policy, each with a trainer of its own; this process alone when None.
        allow_version_drift: have losses accept checkpoints of other versions of plug-ins.

    Raises:
        GlulamError: if the minibatches do not divide the segments, a loss wants what the trainer does not
            compute or refuses the settings, or a loss does not know of actions that the environment ignores.
    """

    def __init__(
        self,
        policy: Policy,
        environment: Environment | Groups,
        settings: TrainSettings,
        ranks: Ranks | None = None,
        *,
        allow_version_drift: bool = False,
    ) -> None:
        self.policy, self.settings, self.ranks = policy, settings, ranks or Ranks.alone()
        self.agent_steps = 0
        self.losses = dict(zip(settings.loss_names, policy.resolved.losses, strict=True))
        worlds = worlds_of(environment)
        check_settings(settings, worlds[0])
        check_losses(policy, worlds[0], self.losses)
        spec = policy.experience_spec()
        self.computed = COMPUTED & {key for loss in self.losses.values() for key in loss.computed_keys}
        if self.computed - {"valid"} and "values" not in spec:
            msg = f"{', '.join(sorted(self.computed))} are computed from 'values', which no loss has stored"
            raise GlulamError(msg)
        _keep_stored(policy, spec)
        self.terms = {name: loss.build() for name, loss in self.losses.items()}
        self._call("check_settings", settings)
        if allow_version_drift:
            self._call("allow_version_drift")
        self._call("initialize", policy)
        observers = [term for term in self.terms.values() if hasattr(term, "observe")]
        self.rollout = Rollout(policy, worlds, settings.horizon, observers)
        self.buffer = ExperienceBuffer(
            spec,
            rows=self.rollout.rows,
            horizon=settings.horizon,
            segment=settings.segment,
            computed=self.computed,
            following={key for loss in self.losses.values() for key in loss.next_keys},
            device=policy.device if settings.buffer_device == "policy" else settings.buffer_device,
            to=policy.device,
        )
        self.optimizer = Optimizer(policy, self._own_weights(), settings, self.ranks)
        self.reward_scale = (
            RewardScale(self.rollout.rows, settings.gamma, self.ranks) if settings.normalize_returns else None
        )
        self.shuffles = torch.Generator().manual_seed(settings.seed)
        self._statistics: list[Any] = [
            part for part in _trained(policy, settings) if hasattr(part, "update_statistics")
        ]

    @property
    def steps_per_update(self) -> int:
        """Agent-steps of one update, over all ranks."""
        return self.ranks.size * self.rollout.rows * self.settings.horizon

    def shared(self) -> dict[str, Tensor]:
        """Return what is the same on all ranks, weights and statistics by name, each `[...]` as it is."""
        tensors = {name: value for name, value in self.policy.state_dict().items() if isinstance(value, torch.Tensor)}
        tensors |= {name: weight.detach() for name, weight in self._own_weights().items()}
        if self.reward_scale is not None:
            tensors |= {f"reward_scale.{name}": value for name, value in self.reward_scale.state_dict().items()}
        return tensors

    def enter(self, environment: Environment | Groups) -> None:
        """Go on in another environment of the same kind; memory and unfinished episodes are forgotten."""
        self._call("reset_memory")
        self.rollout.enter(worlds_of(environment))
        if self.reward_scale is not None:
            self.reward_scale.forget_unfinished()

    def update(self) -> dict[str, float | None]:
        """Play one rollout in every row, learn from it, and return metrics.

        `ratio_error` is the largest `|ratio - 1|` between training and rollout before anything was learned:
        above rounding error, memory or resets disagree between the two.

        Raises:
            GlulamError: if the loss or its gradient is not finite; the weights stay as before the minibatch.
        """
        rate = self.optimizer.start_update(self.agent_steps)
        self._call("start_update", self.agent_steps)
        with self.ranks.together():
            outcome = self.rollout.collect(self.buffer)
            self._check_world(outcome)
        self._compute(outcome)
        means, ratio_error = self._epochs()
        self._update_statistics()
        self.agent_steps += self.steps_per_update
        if self.reward_scale is not None:
            means["reward_scale"] = self.reward_scale.spread
        return {**self.rollout.episodes.means(self.ranks), **means, "ratio_error": ratio_error, "learning_rate": rate}

    def _update_statistics(self) -> None:
        """Show what all ranks saw to the layers that keep statistics.

        Between updates, since within one training and rollout must see the same numbers.
        """
        if not self._statistics:
            return
        # What is shown of an agent that is away, or once an episode has ended, is no observation to act on.
        keys = ("env_obs", "valid") if self.rollout.world.has_garbage else ("env_obs",)
        shown = {key: self.buffer[key] for key in keys}
        if any(module.state_dict() for module in self._statistics):  # else there is nothing to keep
            shown = {key: torch.cat(self.ranks.gather_tensors(tensor)) for key, tensor in shown.items()}
        seen = shown["env_obs"].flatten(0, 1)
        if "valid" in shown:
            seen = seen[shown["valid"].flatten()]
        for module in self._statistics:
            module.update_statistics(seen.to(self.policy.device))

    def _epochs(self) -> tuple[dict[str, float | None], float]:
        """Learn from the buffer; return the mean of each metric, and the ratio error of the first minibatch."""
        sums: defaultdict[str, Tensor | float] = defaultdict(float)
        count, ratio_error = 0, 0.0
        for _ in range(self.settings.epochs):
            for part in self.buffer.minibatches(self.settings.minibatches, self.shuffles):
                current, learned = self._evaluate(part)
                if not count:
                    ratio_error = _ratio_error(current, learned.steps)
                if self.rollout.world.has_garbage and not self._any_counts(learned):
                    continue  # all of its actions were ignored
                count += 1
                for name, value in self._learn(current, learned).items():
                    sums[name] += value
        found = self.ranks.gather(({name: float(total) for name, total in sums.items()}, ratio_error))
        names = dict.fromkeys(name for totals, _ in found for name in totals)
        means = {name: sum(totals.get(name, 0.0) for totals, _ in found) / count for name in names}
        return {**means}, max(error for _, error in found)

    def _any_counts(self, part: Minibatch) -> bool:
        return bool(self.ranks.sum(part.steps["valid"].any().float()))

    def _shares(self, part: Minibatch, stored: TensorDict) -> list[float]:
        """Return what part each loss of this rank is of that loss over all ranks: its part of the steps that count."""
        if self.ranks.size == 1:
            return [1.0 for _ in self.terms]
        counts = []
        for name, term in self.terms.items():
            if hasattr(term, "counted"):
                counts.append(float(term.counted(stored).sum()))
            elif "valid" in self.losses[name].stored_keys:
                counts.append(float(stored["valid"].sum()))
            else:
                counts.append(float(part.steps.batch_size.numel()))
        return self.ranks.shares(counts)

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
                ended = outcome.done_tp1 | outcome.truncated_tp1
                rewards = self.reward_scale.scale(rewards, ended, outcome.valid_t)
            found["advantages"], found["returns"] = gae(
                reward_tp1=rewards,
                value_t=self.buffer["values"].to(self.policy.device),
                value_tp1=outcome.value_tp1,
                done_tp1=outcome.done_tp1,
                truncated_tp1=outcome.truncated_tp1,
                gamma=self.settings.gamma,
                gae_lambda=self.settings.gae_lambda,
            )
        for key, value in found.items():
            if key in self.computed:
                self.buffer.fill(key, value)

    def _learn(self, current: TensorDict, part: Minibatch) -> dict[str, Tensor | float]:
        """Take one step down the gradient of the losses of a minibatch; what is returned adds up over the ranks."""
        metrics: dict[str, Tensor | float] = {}
        total: Tensor | float = 0.0
        stored, losses = part.stored(), {}
        if self.ranks.size > 1:
            self._call("across_ranks", stored, self.ranks)
        shares = self._shares(part, stored)
        for (name, term), share in zip(self.terms.items(), shares, strict=True):
            if not share:
                continue  # nothing of it counts here
            losses[name], details = checked_result(name, term(current, stored))
            total = total + share * losses[name]
            metrics |= {f"{name}/{key}": share * value for key, value in details.items()}
        if losses and not (isinstance(total, torch.Tensor) and total.requires_grad):
            msg = f"the losses {', '.join(self.terms)} have no gradient: nothing would be learned"
            raise GlulamError(msg)
        mine = torch.as_tensor(total, device=self.policy.device)
        whole, norm, finite = self.optimizer.step(mine)
        if not finite:
            self._stop(part, losses, mine, whole, norm)
        return metrics | {"loss": mine.detach(), "grad_norm": norm / self.ranks.size}

    def _stop(self, part: Minibatch, losses: dict[str, Tensor], mine: Tensor, whole: Tensor, norm: Tensor) -> NoReturn:
        """Say where a number that is none came from, on all ranks what the first says in which there is one."""
        gradients = [weight.grad for weight in self.optimizer.parameters if weight.grad is not None]
        finite = all(bool(tensor.isfinite().all()) for tensor in (mine, *gradients))
        place = first_not_finite(self.policy, part.steps, part.starts, losses)
        rank, place = next(
            ((k, at) for k, (fine, at) in enumerate(self.ranks.gather((finite, place))) if not fine), (0, place)
        )
        msg = (
            f"training stopped after {self.agent_steps} agent-steps: the loss is {whole.item()}, the norm of its "
            f"gradient {norm.item()}; what first is not finite is {place}. The last checkpoint is intact. "
            f"Try a smaller learning_rate than {self.settings.learning_rate:g}"
        )
        raise GlulamError(msg) if self.ranks.size == 1 else RankError(f"rank {rank}: {msg}")

    def check_weights(self) -> None:
        """Refuse to go on, or to be saved, with weights that are not finite.

        Raises:
            GlulamError: naming the first of them.
        """
        for name, weight in self.policy.named_parameters():
            if not bool(weight.isfinite().all()):
                msg = f"training stopped after {self.agent_steps} agent-steps: {name} is not finite; the last "
                msg += f"checkpoint is intact. Try a smaller learning_rate than {self.settings.learning_rate:g}"
                raise GlulamError(msg)

    def _check_world(self, outcome: Outcome) -> None:
        seen = self.buffer.steps.get("env_obs")
        bad = seen is not None and seen.is_floating_point() and not bool(seen.isfinite().all())
        what = "an observation" if bad else None if bool(outcome.reward_tp1.isfinite().all()) else "a reward"
        if what is not None:
            msg = (
                f"training stopped after {self.agent_steps} agent-steps: environment {self.rollout.world.spec.name!r} "
            )
            raise GlulamError(msg + f"gave {what} that is not finite; the last checkpoint is intact")

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


def _trained(policy: Policy, settings: TrainSettings) -> Iterator[torch.nn.Module]:
    """Yield all modules of the layers that are not frozen."""
    for name, part in policy_parts(policy).items():
        if name not in settings.freeze:
            yield from part.modules()


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
