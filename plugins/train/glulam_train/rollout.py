"""Rollout: a policy plays in an environment and fills the experience buffer.

Legend: `B` rows of the environment, one segment each; `T` steps. Names that end in `_tp1` hold at column t
what action t led to (see `advantages`).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import attrs
import torch
from tensordict import TensorDict
from torch import Tensor

if TYPE_CHECKING:
    from tensordict import TensorDictBase

    from glulam import Environment, Policy
    from glulam_train.buffer import ExperienceBuffer

__all__ = ["Episodes", "Outcome", "Rollout"]

RECENT = 100  # episodes, at least, in the running mean of returns


@attrs.frozen
class Outcome:
    """What each action of a rollout led to, each `[B, T]`: the arguments of `gae` that no buffer stores."""

    reward_tp1: Tensor
    value_tp1: Tensor
    done_tp1: Tensor
    truncated_tp1: Tensor

    @classmethod
    def empty(cls, rows: int, horizon: int, *, dtype: torch.dtype, device: torch.device) -> Outcome:
        """Return an outcome to be filled in."""
        numbers = [torch.zeros(rows, horizon, dtype=dtype, device=device) for _ in range(2)]
        flags = [torch.zeros(rows, horizon, dtype=torch.bool, device=device) for _ in range(2)]
        return cls(*numbers, *flags)


class Episodes:
    """Returns and lengths of the episodes of each row; `finished` holds recent `(return, length)` pairs."""

    def __init__(self, rows: int) -> None:
        self.count = 0
        self.finished: deque[tuple[float, int]] = deque(maxlen=max(RECENT, rows))
        self._returns = torch.zeros(rows, dtype=torch.float64)
        self._lengths = torch.zeros(rows, dtype=torch.int64)

    def add(self, reward: Tensor, ended: Tensor) -> None:
        """Count one step: what its actions earned, and the rows (`[B]`, bool) whose episode ended with it."""
        self._returns += reward
        self._lengths += 1
        if bool(ended.any()):
            self.finished.extend(zip(self._returns[ended].tolist(), self._lengths[ended].tolist(), strict=True))
            self.count += int(ended.sum())
            self._returns[ended] = 0
            self._lengths[ended] = 0

    def means(self) -> dict[str, float | None]:
        """Return the mean return and length of recent episodes, None before the first has ended."""
        count = len(self.finished)
        sums = [sum(column) for column in zip(*self.finished, strict=True)] or [0, 0]
        names = ("return_mean", "length_mean")
        return {name: total / count if count else None for name, total in zip(names, sums, strict=True)}


class Rollout:
    """Plays on from where it stopped, T steps at a time.

    Args:
        policy: acts; its rollout memory is cleared here, once.
        environment: its tensors may be reused from step to step: what is kept is copied.
        horizon: T.
    """

    def __init__(self, policy: Policy, environment: Environment, horizon: int) -> None:
        self.policy, self.environment, self.horizon = policy, environment, horizon
        policy.reset_memory()
        self._td = self._moved(environment.reset())
        rows = self._td.batch_size[0]
        self.episodes = Episodes(rows)
        self.outcome = Outcome.empty(rows, horizon, dtype=policy.dtype, device=policy.device)

    @property
    def rows(self) -> int:
        """B."""
        return int(self._td.batch_size[0])

    @torch.no_grad()  # not inference_mode: the policy's memory is written here and cleared elsewhere
    def collect(self, buffer: ExperienceBuffer) -> Outcome:
        """Fill the buffer with T steps; what it returns is valid until the next call."""
        buffer.start(self.policy.memory_state(self._td.get("env_id")))
        for t in range(self.horizon):
            td = self.policy(self._td)
            buffer.store(t, td)
            if t:
                self._follow(t - 1, td.get("values", None))
            self._advance(t, td)
        self._follow(self.horizon - 1, self._values(self._td, self._td.get("env_id")))
        return self.outcome

    def _advance(self, t: int, td: TensorDictBase) -> None:
        """Apply the actions of step t, and keep what they led to."""
        after = self.environment.step(td.get("actions"))
        done, truncated = after.get("dones").cpu(), after.get("truncateds").cpu()
        self.episodes.add(after.get("rewards").cpu(), done | truncated)
        self._td = self._moved(after)
        outcome = self.outcome
        outcome.reward_tp1[:, t] = self._td.get("rewards")
        outcome.done_tp1[:, t] = self._td.get("dones")
        outcome.truncated_tp1[:, t] = self._td.get("truncateds")
        if bool(truncated.any()):
            rows = truncated.nonzero().squeeze(1)
            values = self._final_values(rows, after)
            if values is not None:
                outcome.value_tp1[rows.to(self.policy.device), t] = values

    def _follow(self, t: int, value_tp1: Tensor | None) -> None:
        """Note the values of observations t+1, except where the final observation's value stands already."""
        if value_tp1 is not None:
            column = self.outcome.value_tp1[:, t]
            column.copy_(torch.where(self.outcome.truncated_tp1[:, t], column, value_tp1))

    def _final_values(self, rows: Tensor, after: TensorDictBase) -> Tensor | None:
        """Return the values of the final observations of some rows, as if their episodes had gone on.

        The memory is the one before the next step, its reset not applied: so the flags are cleared.
        """
        inputs = {key: self._td.get(key)[rows] for key in self.policy.in_keys}
        inputs["env_obs"] = after.get("final_obs")[rows]
        inputs["dones"] = inputs["truncateds"] = torch.zeros(len(rows), dtype=torch.bool)
        env_id = self._td.get("env_id")[rows]
        td = TensorDict(inputs, batch_size=[len(rows)]).to(self.policy.device)
        return self._values(td, env_id)

    def _values(self, td: TensorDictBase, env_id: Tensor) -> Tensor | None:
        inputs = td.exclude("actions")  # without actions nothing is scored
        values: Tensor | None = self.policy.evaluate(inputs, self.policy.memory_state(env_id)).get("values", None)
        return values

    def _moved(self, td: TensorDict) -> TensorDict:
        """Return the policy's inputs on its device; on the CPU that is the TensorDict itself."""
        if self.policy.device.type == "cpu":
            return td
        return td.exclude("final_obs").to(self.policy.device)
