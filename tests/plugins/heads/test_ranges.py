"""Where the numbers of a continuous action lie."""

from math import inf

import pytest
import torch

from glulam import ActionSpec
from glulam_heads.ranges import middles_and_half_ranges

LARGEST = float(torch.finfo(torch.float32).max)


@pytest.mark.parametrize(
    ("low", "high", "middle", "half_range"),
    [
        (-1, 1, 0, 1),
        (0, 5, 2.5, 2.5),
        (-3, -1, -2, 1),
        (-inf, inf, 0, 1),
        (None, None, 0, 1),
        (-LARGEST, LARGEST, 0, 1),
        (0, inf, 1, 1),
        (5, inf, 6, 1),
        (-100, None, 0, 1),
        (-inf, 0, -1, 1),
        (None, -5, -6, 1),
        (-inf, 100, 0, 1),
    ],
)
def test_by_hand(low, high, middle, half_range):
    spec = ActionSpec(names=("other", "this"), low=(-2, low), high=(2, high))
    middles, halves = middles_and_half_ranges(spec)
    assert middles.tolist() == [0, middle]
    assert halves.tolist() == [2, half_range]


def test_other_kinds_have_none():
    middles, halves = middles_and_half_ranges(ActionSpec(names=("a", "b")))
    assert middles.numel() == halves.numel() == 0
