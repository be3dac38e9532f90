"""Return normalisation: rewards divided by the spread of the returns that they add up to.

Legend: `B` rows, `H` steps.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from glulam_train.ranks import Ranks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

__all__ = ["RewardScale"]

SMALLEST_VARIANCE = 1e-8


class RewardScale:
    """Divides rewards by the standard deviation of the discounted sum of past rewards (Engstrom et al. 2020).

    The statistics cover all of the training and are part of a resumed run.

    Args:
        rows: B.
        gamma: discount of a step.
        ranks: whose returns are counted; this process's alone when None.
    """

    def __init__(self, rows: int, gamma: float, ranks: Ranks | None = None) -> None:
        self.gamma, self.ranks = gamma, ranks or Ranks.alone()
        self._sums = torch.zeros(rows, dtype=torch.float64)
        self._moments = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)  # count, mean, variance

    def scale(self, reward_tp1: Tensor, ended_tp1: Tensor, valid_t: Tensor) -> Tensor:
        """Take the rewards of a rollout into the statistics and return them scaled, `[B, H]`.

        Args:
            reward_tp1: `[B, H]`.
            ended_tp1: `[B, H]`, bool: the episode ended with that reward.
            valid_t: `[B, H]`, bool: the action that earned it was one at all.
        """
        rewards, ended, valid = reward_tp1.cpu().double(), ended_tp1.cpu(), valid_t.cpu()
        sums = torch.empty_like(rewards)
        for t in range(rewards.shape[1]):
            self._sums = self._sums * self.gamma + rewards[:, t]
            sums[:, t] = self._sums
            self._sums = self._sums.masked_fill(ended[:, t], 0)
        new, new_mean, new_variance = self.ranks.moments(sums[valid])
        count, mean, variance = self._moments.tolist()
        if new:
            total = count + new
            gap = new_mean - mean
            spread = variance * count + new_variance * new + gap**2 * count * new / total
            self._moments = torch.tensor([total, mean + gap * new / total, spread / total], dtype=torch.float64)
        return reward_tp1 / self.spread

    @property
    def spread(self) -> float:
        """What rewards are divided by: 1 as long as all returns are as good as equal."""
        _, mean, variance = self._moments.tolist()
        return 1.0 if variance <= SMALLEST_VARIANCE * max(mean**2, SMALLEST_VARIANCE) else math.sqrt(variance)

    def forget_unfinished(self) -> None:
        """Start the sums anew: the world was left."""
        self._sums.zero_()

    def state_dict(self) -> dict[str, Tensor]:
        """Return the statistics, number, mean and variance of returns: float64 `[3]`."""
        return {"moments": self._moments}

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Take what `state_dict` returned, `[3]`."""
        self._moments = tensors["moments"].clone()
