"""Which metrics are drawn, where, and what is said of them."""

import math

from glulam_train.report.metrics import charts_of, smoothing
from tests.plugins.train.report.conftest import row


def test_each_metric_is_in_the_chart_that_people_look_for_it_in():
    more = {"ppo/value_loss": 1.0, "kickstart/weight": 0.5, "kickstart/loss": 2.0, "loss": 3.0}
    rows = [row(place, **more) for place in range(3)]
    found = {group: [chart.title for chart in charts] for group, charts in charts_of(rows, {}).items()}
    assert found == {
        "returns": ["Return", "Length", "Agent-steps a second", "Episodes"],
        "learning": ["Entropy", "Ratio error"],
        "losses": ["Value loss", "kickstart: loss", "Loss"],
        "gradients": ["Gradient norm", "Learning rate"],
        "others": ["kickstart: weight"],
    }


def test_the_lines_are_the_metrics():
    rows = [row(place, grad_norm=math.sqrt(place)) for place in range(50)]
    charts = {
        chart.title: chart for charts in charts_of(rows, {"grad_norm": (0.5, "clipped")}).values() for chart in charts
    }
    assert charts["Gradient norm"].lines[0].y == [math.sqrt(place) for place in range(50)]
    assert charts["Gradient norm"].limit == (0.5, "clipped")
    line = charts["Return"].lines[0]
    assert (line.x[-1], line.y[-1], line.low[-1], line.high[-1]) == (5000, 49.0, 48.75, 49.25)


def test_the_interval_is_said_and_so_is_that_there_is_none():
    (chart, *_) = charts_of([row(0)], {})["returns"]
    assert "The band is the 95 % interval of that mean over episodes, those of one world as one obs" in chart.told
    (chart, *_) = charts_of([row(0, return_ci95=None)], {})["returns"]
    assert chart.told.endswith("No interval: this run stored none.")


def test_a_metric_without_any_value_has_no_chart():
    charts = charts_of([row(0, return_mean=None, return_ci95=None, length_mean=None)], {})
    assert [chart.title for chart in charts["returns"]] == ["Agent-steps a second", "Episodes"]


def test_smoothing_is_said():
    assert smoothing([row(0)] * 240) is None
    assert smoothing([row(0)] * 241).startswith("In all charts each point is the mean of 2 updates. A band goes from")
