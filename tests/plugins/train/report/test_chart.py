"""Lines, bands and ticks, read back from what is drawn."""

import re

import numpy as np
import pytest

from glulam_train.report.chart import Chart, Line, binned


def chart(*lines, limit=None):
    return Chart(name="c", title="Entropy", told="", lines=lines, limit=limit)


def points(path):
    """Return the parts of a path, each an array of places `(P, 2)`."""
    parts = [part for part in path.replace("h.01", "").removesuffix("Z").replace("Z", "").split("M") if part]
    return [np.array([list(map(float, point.split())) for point in part.split("L")]) for part in parts]


def value_at(drawn, place):
    """Return the value that a height stands for, by the two ticks that are furthest apart."""
    (low, low_text), *_, (high, high_text) = [(at * 10, float(text.replace(",", ""))) for at, text in drawn["y"]]
    return low_text + (place - low) * (high_text - low_text) / (high - low)


class TestBinned:
    def test_few_values_stay_as_they_are(self):
        line = binned("a", [1, 2, 3], [5.0, None, 7.0])
        assert (line.x, line.y, line.low) == ([1, 2, 3], [5.0, None, 7.0], None)

    def test_many_become_means_in_a_band_of_all(self):
        """Oracle: numpy."""
        values = np.random.default_rng(0).normal(size=720)
        line = binned("a", list(range(720)), values.tolist())
        parts = values.reshape(240, 3)
        assert line.x == list(range(2, 720, 3))
        assert line.y == pytest.approx(parts.mean(1))
        assert (line.low, line.high) == (pytest.approx(parts.min(1)), pytest.approx(parts.max(1)))

    def test_a_spread_is_a_band_around_the_means(self):
        values, spread = np.arange(480.0), np.linspace(1, 2, 480)
        line = binned("a", list(range(480)), values.tolist(), spread.tolist())
        half = spread.reshape(240, 2).mean(1)
        assert line.low == pytest.approx(values.reshape(240, 2).mean(1) - half)
        assert line.high == pytest.approx(values.reshape(240, 2).mean(1) + half)

    def test_where_there_is_no_value_there_is_no_band(self):
        line = binned("a", [1, 2], [None, 3.0], [None, None])
        assert (line.y, line.low, line.high) == ([None, 3.0], [None, None], [None, None])


class TestDrawn:
    def test_the_line_is_at_its_values(self):
        values = [0.5, -2.0, 7.25]
        drawn = chart(Line("a", [100, 200, 400], values)).drawn()
        (path,) = points(drawn["lines"][0]["path"])
        assert path[:, 0].tolist() == [250, 500, 1000]
        assert [value_at(drawn, place) for place in path[:, 1]] == pytest.approx(values, abs=0.01)

    def test_the_check_of_values_can_fail(self):
        drawn = chart(Line("a", [100, 200], [1.0, 2.0])).drawn()
        (path,) = points(drawn["lines"][0]["path"])
        assert value_at(drawn, path[0, 1] + 20) != pytest.approx(1.0, abs=0.01)

    def test_the_band_is_at_its_edges(self):
        drawn = chart(Line("a", [1, 2], [5.0, 6.0], [4.0, 5.5], [5.5, 8.0])).drawn()
        (band,) = points(drawn["lines"][0]["band"])
        assert band[:, 0].tolist() == [500, 1000, 1000, 500]
        assert [value_at(drawn, place) for place in band[:, 1]] == pytest.approx([5.5, 8.0, 5.5, 4.0], abs=0.01)

    def test_a_missing_value_is_a_gap(self):
        drawn = chart(Line("a", [1, 2, 3, 4, 5], [1.0, 2.0, None, 4.0, 5.0])).drawn()
        assert [len(part) for part in points(drawn["lines"][0]["path"])] == [2, 2]

    def test_a_lone_value_is_a_dot(self):
        drawn = chart(Line("a", [1, 2, 3], [None, 2.0, None])).drawn()
        assert re.fullmatch(r"M[\d.]+ [\d.]+h\.01", drawn["lines"][0]["path"])

    @pytest.mark.parametrize("value", [0.1, 0.0, -3.0])
    def test_a_flat_line_is_seen_against_zero(self, value):
        ticks = [at for at, _ in chart(Line("a", [1, 2], [value, value * (1 + 1e-9)])).drawn()["y"]]
        assert value_at(chart(Line("a", [1, 2], [value, value])).drawn(), ticks[0] * 10) == pytest.approx(
            min(value, 0) if value else 0, abs=1
        )

    def test_a_limit_is_in_sight_though_no_value_comes_near(self):
        drawn = chart(Line("a", [1, 2], [1.0, 2.0]), limit=(10.0, "clipped")).drawn()
        assert value_at(drawn, drawn["limit"]) == pytest.approx(10.0, abs=0.01)
        assert 0 <= drawn["limit"] <= 1000

    def test_what_a_reader_hears(self):
        line = Line("Entropy", [100, 2000, 3000], [1.5, 0.25, 0.5])
        assert chart(line).summary == (
            "Chart of entropy over agent-steps. Entropy: 1.5 at 100 agent-steps, 0.5 at 3k; lowest 0.25, highest 1.5"
        )

    def test_what_is_told_of_each_point(self):
        lines = (Line("a", [1000, 2000], [1.0, None], [0.5, None], [1.5, None]), Line("b", [1000, 2000], [3.0, 4.0]))
        thin = Line("", [1000, 2000], [9.0, 9.0], thin=True)
        assert chart(thin, *lines).drawn()["data"] == {
            "x": [50.0, 100.0],
            "told": ["1,000 agent-steps: a 1 (0.5 to 1.5), b 3", "2,000 agent-steps: b 4"],
        }
