"""Rollout: a policy plays in an environment and fills the experience buffer.

Legend: `B` rows of the environment; `H` steps. Names that end in `_tp1` hold at column t what action t led to
(see `advantages`).
"""

from __future__ import annotations

import traceback
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
import torch
from tensordict import TensorDict
from torch import Tensor

from glulam import GlulamError
from glulam_train.ranks import Ranks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glulam import Policy
    from glulam_train.buffer import ExperienceBuffer
    from glulam_train.world import Step, World

__all__ = ["Episodes", "Outcome", "Rollout"]

RECENT = 100  # episodes, at least, in the running mean of returns


@attrs.frozen
class Outcome:
    """What each action of a rollout led to, each `[B, H]`, and which actions count at all (`valid_t`)."""

    reward_tp1: Tensor
    value_tp1: Tensor
    done_tp1: Tensor
    truncated_tp1: Tensor
    valid_t: Tensor

    @classmethod
    def empty(cls, rows: int, horizon: int, *, dtype: torch.dtype, device: torch.device) -> Outcome:
        """Return an outcome to be filled in."""
        numbers = [torch.zeros(rows, horizon, dtype=dtype, device=device) for _ in range(2)]
        flags = [torch.zeros(rows, horizon, dtype=torch.bool, device=device) for _ in range(3)]
        return cls(*numbers, *flags)


class Episodes:
    """Returns and lengths of the episodes of each row; `finished` holds recent `(return, length)` pairs."""

    def __init__(self, rows: int) -> None:
        self.count = 0
        self.finished: deque[tuple[float, int]] = deque(maxlen=max(RECENT, rows))
        self._returns = torch.zeros(rows, dtype=torch.float64)
        self._lengths = torch.zeros(rows, dtype=torch.int64)

    def add(self, reward: Tensor, ended: Tensor, counted: Tensor) -> None:
        """Count one step: what its actions earned, whose episode ended with it, and whose action was one (`[B]`)."""
        self._returns += reward
        self._lengths += counted
        if bool(ended.any()):
            self.finished.extend(zip(self._returns[ended].tolist(), self._lengths[ended].tolist(), strict=True))
            self.count += int(ended.sum())
            self._returns[ended] = 0
            self._lengths[ended] = 0

    def forget_unfinished(self) -> None:
        """Drop the episodes under way: their world was left."""
        self._returns.zero_()
        self._lengths.zero_()

    def means(self, ranks: Ranks | None = None) -> dict[str, float | None]:
        """Return the mean return and length of recent episodes, on all ranks, None before the first has ended."""
        returns, lengths = [sum(column) for column in zip(*self.finished, strict=True)] or [0, 0]
        parts = (ranks or Ranks.alone()).gather((len(self.finished), returns, lengths))
        count, *sums = (sum(column) for column in zip(*parts, strict=True))
        names = ("return_mean", "length_mean")
        return {name: total / count if count else None for name, total in zip(names, sums, strict=True)}


class Rollout:
    """Plays on from where it stopped, H steps at a time.

    Args:
        policy: acts; its rollout memory is cleared here, once.
        world: its tensors may be reused from step to step: what is kept is copied.
        horizon: H.
        observers: losses that have `observe(td)`, called in each step once the policy has acted.
    """

    def __init__(self, policy: Policy, world: World, horizon: int, observers: Iterable[Any] = ()) -> None:
        self.policy, self.horizon, self.observers = policy, horizon, list(observers)
        self.enter(world)
        rows = self._td.batch_size[0]
        self.episodes = Episodes(rows)
        self.outcome = Outcome.empty(rows, horizon, dtype=policy.dtype, device=policy.device)

    def enter(self, world: World) -> None:
        """Go on in another world of the same kind, from empty memory; unfinished episodes do not count."""
        self.world = world
        self.policy.reset_memory()
        with _explained(world, "its start"):
            td = world.reset()
        self._valid = torch.ones(td.batch_size, dtype=torch.bool)
        self._td = self._moved(td)
        if hasattr(self, "episodes"):
            self.episodes.forget_unfinished()

    @property
    def rows(self) -> int:
        """B."""
        return int(self._td.batch_size[0])

    @torch.no_grad()  # not inference_mode: the policy's memory is written here and cleared elsewhere
    def collect(self, buffer: ExperienceBuffer) -> Outcome:
        """Fill the buffer with H steps; what it returns is valid until the next call."""
        for t in range(self.horizon):
            begins = buffer.begins_at(t)
            state = self.policy.memory_state(self._td.get("env_id")) if begins else None
            td = self.policy(self._td)
            for observer in self.observers:
                observer.observe(td)
            if state is not None:
                buffer.start(t, td, state)
            buffer.store(t, td)
            if t:
                self._follow(t - 1, td.get("values", None))
            self._advance(t, td.get("actions"))
        after = self._scored(self._td, self._td.get("env_id"))
        self._follow(self.horizon - 1, after.get("values", None))
        buffer.finish(after)
        return self.outcome

    def _advance(self, t: int, actions: Tensor) -> None:
        """Apply the actions of step t, and keep what they led to."""
        with _explained(self.world, f"step {t} of a rollout"):
            step = self.world.step(actions)
        ended = (step.done | step.truncated).cpu()
        self.episodes.add(step.reward.cpu(), ended, self._valid)
        outcome = self.outcome
        outcome.valid_t[:, t] = self._valid.to(self.policy.device)
        self._valid = step.valid.cpu()
        outcome.reward_tp1[:, t] = step.reward.to(self.policy.device)
        outcome.done_tp1[:, t] = step.done.to(self.policy.device)
        outcome.truncated_tp1[:, t] = step.truncated.to(self.policy.device)
        self._td = self._moved(step.td)
        if bool(step.truncated.any()):
            rows = step.truncated.nonzero().squeeze(1)
            values = self._final_values(rows, step)
            if values is not None:
                outcome.value_tp1[rows.to(self.policy.device), t] = values

    def _follow(self, t: int, value_tp1: Tensor | None) -> None:
        """Note the values of observations t+1, except where the final observation's value stands already."""
        if value_tp1 is not None:
            column = self.outcome.value_tp1[:, t]
            column.copy_(torch.where(self.outcome.truncated_tp1[:, t], column, value_tp1))

    def _final_values(self, rows: Tensor, step: Step) -> Tensor | None:
        """Return the values of the final observations of some rows, as if their episodes had gone on.

        The memory is the one before the next step, its reset not applied: so the flags are cleared.
        """
        inputs = {key: step.td.get(key)[rows] for key in {*self.policy.in_keys, "env_id"}}
        # What the world says of the step before is about the next episode there, or (its mask) not known at all.
        before = {"last_actions": step.action, "last_rewards": step.reward}
        inputs |= {key: value[rows] for key, value in before.items() if key in inputs}
        inputs["env_obs"] = step.final_obs[rows]
        inputs["dones"] = inputs["truncateds"] = torch.zeros(len(rows), dtype=torch.bool)
        td = TensorDict(inputs, batch_size=[len(rows)]).to(self.policy.device)
        values: Tensor | None = self._scored(td, td.get("env_id")).get("values", None)
        return values

    def _scored(self, td: TensorDict, env_id: Tensor) -> TensorDict:
        """Return a step `[B]` with what the policy makes of it, without acting."""
        inputs = td.exclude("actions")  # without actions nothing is scored
        return inputs.update(self.policy.evaluate(inputs, self.policy.memory_state(env_id)))

    def _moved(self, td: TensorDict) -> TensorDict:
        """Return the policy's inputs on its device; on the CPU that is the TensorDict itself."""
        if self.policy.device.type == "cpu":
            return td
        return td.exclude("final_obs").to(self.policy.device)


@contextmanager
def _explained(world: World, when: str) -> Iterator[None]:
    """Say what went wrong in an environment, and where, as an error that ends a training."""
    try:
        yield
    except GlulamError:
        raise
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        msg = (
            f"environment {world.spec.name!r} failed in {when} with {type(error).__name__}: {error} ({place.filename}, "
            f"line {place.lineno}); the last checkpoint is intact"
        )
        raise GlulamError(msg) from error
