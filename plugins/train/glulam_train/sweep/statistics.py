"""Means, differences and chances of improvement over seeds, each with a percentile bootstrap interval.

Legend: `n` seeds, `P` points of a curve.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["band", "difference", "improvement", "mean", "pooled_mean"]

RESAMPLES = 10_000
BAND_RESAMPLES = 2_000
FEWEST = 2  # seeds that can be resampled
LARGEST = 4_000_000  # numbers that are resampled at a time
Interval = dict[str, float | None]


def mean(values: Sequence[float]) -> Interval | None:
    """Return the mean of seeds and its 95 % interval; None of no seeds, no interval of one."""
    return _interval([values], lambda x, axis: x.mean(axis))


def pooled_mean(sums: Sequence[float], counts: Sequence[float]) -> Interval | None:
    """Return the mean of values that come in groups, from each group's sum and count; whole groups are resampled."""
    return _interval([sums, counts], lambda x, n, axis: x.sum(axis) / n.sum(axis), paired=True)


def difference(values: Sequence[float], others: Sequence[float]) -> Interval | None:
    """Return how far the mean of seeds is above that of others, both resampled."""
    return _interval([values, others], lambda x, y, axis: x.mean(axis) - y.mean(axis))


def improvement(values: Sequence[float], others: Sequence[float]) -> Interval | None:
    """Return the probability of improvement P(X > Y) of Agarwal et al. (2021): a draw counts half."""

    def share(x: NDArray[Any], y: NDArray[Any], axis: int) -> NDArray[Any]:
        del axis  # the last, as `_interval` has it
        x, y = x[..., :, None], y[..., None, :]
        shares: NDArray[Any] = ((x > y) + 0.5 * (x == y)).mean((-2, -1))
        return shares

    return _interval([values, others], share)


def band(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Return the 95 % interval of the mean of curves `(n, P)` at each point; None of one curve, or of no point."""
    if len(values) < FEWEST or not values.size:
        return None
    found = _bootstrap([values], lambda x, axis: x.mean(axis), 0, BAND_RESAMPLES)
    return found.low, found.high


def _interval(
    samples: list[Sequence[float]], statistic: Callable[..., Any], *, paired: bool = False
) -> Interval | None:
    arrays = [np.asarray(sample, dtype=np.float64) for sample in samples]
    if not all(len(array) for array in arrays):
        return None
    value = float(statistic(*arrays, axis=-1))
    if any(len(array) < FEWEST for array in arrays):
        return {"value": value, "low": None, "high": None}
    found = _bootstrap(arrays, statistic, -1, RESAMPLES, paired=paired)
    return {"value": value, "low": float(found.low), "high": float(found.high)}


def _bootstrap(
    samples: list[NDArray[Any]], statistic: Callable[..., Any], axis: int, resamples: int, *, paired: bool = False
) -> Any:  # noqa: ANN401 - SciPy's interval
    """Return the percentile interval, the same for the same numbers.

    BCa is undefined where all resamples agree, as those of P(X > Y) do when all of one is above all of the other.
    """
    from scipy.stats import bootstrap

    return bootstrap(
        samples, statistic, axis=axis, n_resamples=resamples, method="percentile", vectorized=True,
        paired=paired, batch=max(1, min(resamples, LARGEST // samples[0].size)), rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
