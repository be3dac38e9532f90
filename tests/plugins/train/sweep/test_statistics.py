"""Intervals against all resamples written out, and against numpy's own draws."""

from itertools import product

import numpy as np
import pytest

from glulam_train.sweep import statistics

X, Y = [3.0, 5.0, 4.0, 8.0], [1.0, 4.0, 4.5]


def all_resamples(values):
    """Every resample of a few seeds, each as likely as the other."""
    return [list(drawn) for drawn in product(values, repeat=len(values))]


def interval(values):
    return np.percentile(values, [2.5, 97.5], method="inverted_cdf")


def wins(xs, ys):
    return sum((x > y) + 0.5 * (x == y) for x in xs for y in ys) / (len(xs) * len(ys))


def near(value, edges, within):
    """Return what equals a mean with an interval whose ends are as near as that."""
    low, high = (pytest.approx(edge, abs=within) for edge in edges)
    return {"value": pytest.approx(value), "low": low, "high": high}


def test_the_mean_of_seeds():
    """Oracle: the percentiles of the means of all 256 resamples."""
    edges = interval([np.mean(drawn) for drawn in all_resamples(X)])
    assert statistics.mean(X) == near(5.0, edges, 0.26)  # the next mean above or below


def test_the_difference_of_means():
    """Oracle: numpy's draws of both, by another generator."""
    rng = np.random.default_rng(5)
    drawn = [rng.choice(values, (40_000, len(values))).mean(1) for values in (X, Y)]
    assert statistics.difference(X, Y) == near(5 - 9.5 / 3, interval(drawn[0] - drawn[1]), 0.1)


def test_the_probability_of_improvement():
    """Oracle: all pairs of all 256 x 27 resamples, by loops."""
    edges = interval([wins(xs, ys) for xs in all_resamples(X) for ys in all_resamples(Y)])
    assert statistics.improvement(X, Y) == near(wins(X, Y), edges, 0.05)


def test_a_draw_counts_half():
    assert statistics.improvement([1.0, 1.0], [1.0, 1.0]) == {"value": 0.5, "low": 0.5, "high": 0.5}


def test_all_better_is_certain_in_the_sample():
    assert statistics.improvement([3.0, 4.0, 5.0], [0.0, 1.0]) == {"value": 1.0, "low": 1.0, "high": 1.0}


@pytest.mark.parametrize("find", [statistics.difference, statistics.improvement])
def test_one_seed_has_no_interval_and_none_no_value(find):
    one = find([2.0], [1.0, 3.0])
    assert (one["low"], one["high"]) == (None, None)
    assert find([], [1.0]) is find([1.0], []) is None


def test_one_seed_is_its_own_mean():
    assert statistics.mean([2.5]) == {"value": 2.5, "low": None, "high": None}
    assert statistics.mean([]) is None


def test_the_same_seeds_have_the_same_interval():
    assert statistics.mean(X) == statistics.mean(X)


def test_few_seeds_have_too_narrow_an_interval():
    """What the page says of five seeds: an interval called 95 % holds the mean of normal returns about 4 times in 5."""
    rng = np.random.default_rng(1)
    found = [statistics.mean(rng.normal(size=5)) for _ in range(300)]
    held = np.mean([item["low"] <= 0 <= item["high"] for item in found])
    assert 0.75 < held < 0.9


class TestBand:
    def test_each_point_has_the_interval_of_its_mean(self):
        """Oracle: one point at a time."""
        curves = np.asarray([X, X[::-1], [0.0, 1.0, 2.0, 3.0]])
        low, high = statistics.band(curves)
        for point in range(4):
            edges = interval([np.mean(drawn) for drawn in all_resamples(curves[:, point])])
            assert [low[point], high[point]] == pytest.approx(list(edges), abs=0.4)

    def test_one_curve_has_none(self):
        assert statistics.band(np.zeros((1, 3))) is None

    def test_curves_without_a_point_have_none(self):
        assert statistics.band(np.zeros((2, 0))) is None
