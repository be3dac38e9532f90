"""What the soak makes of samples: hand-made ones, flat, growing, with a file left open."""

import pytest

from tests.evidence.soak import verdict

MIB = 2**20


def samples(memory=lambda minute: 500.0, files=lambda minute: 20):
    """Return an hour's samples, one a minute, an evaluation in each."""
    return [
        {
            "seconds": 60.0 * minute,
            **dict.fromkeys(("rss", "uss", "pss"), memory(minute) * MIB),
            "open_files": files(minute),
            "threads": 3,
            "children": 0,
            "evaluations": minute,
            "metrics_bytes": 100 * min(minute, 60),
        }
        for minute in range(61)
    ]


def test_flat_memory_is_flat():
    found = verdict(samples(lambda minute: 500 + 2 * (minute % 3 == 0)))
    assert found["memory"]["rss"]["flat"]
    assert found["memory"]["rss"]["median"] == 500 * MIB
    assert found["memory"]["rss"]["windows"] == [0.0] * 10
    assert found["memory"]["rss"]["highest"] == pytest.approx(2 / 500)
    assert not any(one["leaked"] for one in found["handles"].values())


def test_what_warms_up_does_not_count():
    found = verdict(samples(lambda minute: 500 if minute >= 6 else 100, lambda minute: 20 if minute >= 6 else 1))
    assert found["warm_s"] == 360
    assert found["samples"] == 54
    assert found["memory"]["rss"]["flat"]
    assert not found["handles"]["open_files"]["leaked"]


def test_memory_that_grows_is_not_flat():
    found = verdict(samples(lambda minute: 500 + 0.4 * minute))
    assert not found["memory"]["uss"]["flat"]
    assert found["memory"]["uss"]["drift"] == pytest.approx(0.4 * 53 / (500 + 0.4 * 32.5))


def test_memory_that_is_given_back_within_a_window_is_told_apart_from_growth():
    found = verdict(samples(lambda minute: 540 if minute == 30 else 500))["memory"]["rss"]
    assert found["flat"]
    assert found["highest"] == pytest.approx(0.08)
    assert not verdict(samples(lambda minute: 540 if 28 <= minute < 36 else 500))["memory"]["rss"]["flat"]


def test_what_follows_the_last_update_does_not_count():
    found = verdict(samples(lambda minute: 600 if minute == 60 else 500, lambda minute: 30 if minute == 60 else 20))
    assert found["until_s"] == 59 * 60
    assert found["memory"]["rss"]["highest"] == 0
    assert found["handles"]["open_files"]["most"] == 20


def test_files_left_open_are_told():
    found = verdict(samples(files=lambda minute: 20 + minute // 10))
    assert found["handles"]["open_files"] == {"first": 20, "last": 25, "most": 25, "leaked": True}
    assert not found["handles"]["threads"]["leaked"]


@pytest.mark.parametrize("when", [30, 58])
def test_files_that_are_open_for_a_while_are_not_left_open(when):
    assert not verdict(samples(files=lambda minute: 25 if minute == when else 20))["handles"]["open_files"]["leaked"]


def test_a_training_without_evaluations_is_too_short():
    with pytest.raises(
        ValueError, match="60 s is too short: memory warms up until evaluation number 5, and 10 .* 0 do"
    ):
        verdict(samples()[:2])
