"""The clipped PPO loss.

Legend: `S` segments, `T` steps, `M` steps whose actions count.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from tensordict import TensorDictBase
    from torch import Tensor

    from glulam_train.configs import PpoConfig
    from glulam_train.ranks import Ranks

__all__ = ["PpoLoss"]

SMALLEST_SPREAD = 1e-6  # advantages that are all equal carry no signal; do not blow up their rounding error


class PpoLoss:
    """A callable `(current, stored) -> (loss, metrics)` over two TensorDicts of `[S, T]` steps.

    `current` is what `Policy.evaluate` returned, with gradient; `stored` is the minibatch from the buffer.
    The metrics are detached scalars.
    """

    def __init__(self, config: PpoConfig) -> None:
        self.config = config
        self._moments: tuple[int, float, float] | None = None

    def across_ranks(self, stored: TensorDictBase, ranks: Ranks) -> None:
        """Take in what the advantages of all ranks are normalised by in the coming minibatch."""
        if self.config.normalize_advantage:
            valid = stored[self.config.valid_key]
            self._moments = ranks.moments(stored[self.config.advantages_key][valid].cpu().double())

    def __call__(self, current: TensorDictBase, stored: TensorDictBase) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of a minibatch and what to log about it."""
        config = self.config
        counted = stored[config.valid_key].flatten().nonzero().squeeze(1)  # once: on a GPU that waits
        was = {key: stored[key].flatten()[counted] for key in config.stored_keys}  # (M,), the steps that count
        now = {key: current[key].flatten()[counted] for key in config.in_keys}
        log_ratio = now[config.log_prob_key] - was[config.old_log_prob_key]
        policy_loss, clip_fraction = self._surrogate(log_ratio.exp(), was[config.advantages_key])
        old_value, target = was[config.old_values_key], was[config.returns_key]
        value_loss = self._value_loss(now[config.values_key], old_value, target)
        entropy = now[config.entropy_key].mean()
        loss = policy_loss + config.value_coef * value_loss - config.entropy_coef * entropy
        metrics = {
            "policy_loss": policy_loss.detach(),
            "value_loss": value_loss.detach(),
            "entropy": entropy.detach(),
            "approx_kl": _approximate_kl(log_ratio.detach()),
            "clip_fraction": clip_fraction,
            "explained_variance": _explained_variance(old_value, target),
        }
        return loss, metrics

    def _surrogate(self, ratio: Tensor, advantage: Tensor) -> tuple[Tensor, Tensor]:
        if self.config.normalize_advantage:
            advantage = _normalized(advantage, self._moments)
        clip = self.config.clip
        clipped = ratio.clamp(1 - clip, 1 + clip)
        gain = torch.minimum(ratio * advantage, clipped * advantage).mean()
        return -gain, (ratio.detach() != clipped.detach()).float().mean()

    def _value_loss(self, value: Tensor, old: Tensor, target: Tensor) -> Tensor:
        limit = self.config.clip_values
        error = (value - target).square()
        if limit is not None:
            near = old + (value - old).clamp(-limit, limit)
            error = torch.maximum(error, (near - target).square())
        loss: Tensor = 0.5 * error.mean()
        return loss


def _normalized(advantage: Tensor, moments: tuple[int, float, float] | None) -> Tensor:
    """Shift and scale by number, mean and variance of all ranks' advantages, by their own where there are none."""
    if (moments[0] if moments else advantage.numel()) < 2:  # noqa: PLR2004 - one number has no spread
        return advantage
    if moments:
        count, mean, variance = moments
        return (advantage - mean) / max(math.sqrt(variance * count / (count - 1)), SMALLEST_SPREAD)
    return (advantage - advantage.mean()) / advantage.std().clamp_min(SMALLEST_SPREAD)


def _approximate_kl(log_ratio: Tensor) -> Tensor:
    """Return Schulman's low-variance estimate of KL(old, new): never negative, unlike the plain mean."""
    return (log_ratio.exp() - 1 - log_ratio).mean()


def _explained_variance(value: Tensor, target: Tensor) -> Tensor:
    """Return the share of the returns' variance that the values foresaw: 1 is all, 0 is a constant's."""
    spread = target.var(correction=0)
    return 1 - (target - value).var(correction=0) / spread.clamp_min(SMALLEST_SPREAD**2)
