"""Where the numbers of a continuous action lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from glulam import ActionSpec

__all__ = ["middles_and_half_ranges"]

ENDLESS = 1e30  # simulators write "no bound" as the largest float32, in whose units nothing could be sampled


def middles_and_half_ranges(actions: ActionSpec, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Return the middle of each number's range and half its width, `[numbers]` each, in the world's order.

    Without a bound on one side or on both the half range is 1, and the middle the number closest to 0 that is 1 or
    more away from the bound there is.
    """
    ranges = [_range(low, high) for low, high in zip(actions.low, actions.high, strict=True)]
    middles, halves = torch.tensor(ranges, dtype=torch.float32, device=device).view(-1, 2).unbind(1)
    return middles.contiguous(), halves.contiguous()


def _range(low: float | None, high: float | None) -> tuple[float, float]:
    """Return the middle and half the width of one number's range."""
    low = None if low is None or abs(low) > ENDLESS else low
    high = None if high is None or abs(high) > ENDLESS else high
    if low is not None and high is not None:
        return (low + high) / 2, (high - low) / 2
    if low is not None:
        return max(0.0, low + 1), 1.0
    return (0.0 if high is None else min(0.0, high - 1)), 1.0
