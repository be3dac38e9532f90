"""The page of a sweep, from results written by hand."""

import json
import re

import numpy as np
import pytest
from click.testing import CliRunner

from glulam import GlulamError
from glulam_train.report.command import report
from glulam_train.report.render import render
from glulam_train.report.sweep_page import read_sweep_results, sweep_page


def run(variant, seed, values, state="finished"):
    curve = {"agent_steps": [100 * (k + 1) for k in range(len(values))], "seconds": [], "return_mean": values}
    made = {
        "variant": variant,
        "seed": seed,
        "state": state,
        "exit": 0,
        "agent_steps": 100 * len(values),
        "seconds": 65.0,
    }
    return made | {"final_return": values[-1] if values else None, "area": 1.0, "curve": curve}


def variant(name, **changes):
    interval = {"value": 2.0, "low": 1.0, "high": 3.25}
    made = {"variant": name, "seeds": 2, "n": 2, "failed": 0, "final_return": interval, "difference": None}
    made |= {"improvement": {"value": 0.5, "low": None, "high": None}, "area": interval}
    return made | {"agent_steps_per_second": 1234.5, "minutes": 1.5} | changes


@pytest.fixture
def results():
    return {
        "glulam_sweep": 1,
        "file": "rates.yaml",
        "sweep": {"policy": "toy", "env": "toy:cues", "variants": {"slow": {}, "fast": {}}},
        "versions": {"glulam": "0.1.0", "torch": "2.13.0"},
        "variants": [variant("slow"), variant("fast", n=1, seeds=2)],
        "runs": [
            run("slow", 0, [0.0, 1.0, 2.0, 3.0]),
            run("slow", 1, [None, 3.0, 4.0]),
            run("fast", 0, [5.0, 5.0, 5.0, 5.0]),
            run("fast", 1, [], "not begun"),
        ],
    }


@pytest.fixture
def folder(tmp_path, results):
    (tmp_path / "results.json").write_text(json.dumps(results))
    return tmp_path


def test_the_line_is_the_mean_over_seeds_where_all_have_a_return(folder, results):
    """Oracle: numpy's interpolation between the two seeds' points, from 200 to 300 agent-steps."""
    (chart,) = sweep_page(folder, results)["groups"][0][2]
    assert [line.name for line in chart.named] == ["slow (2 seeds)", "fast (1 seed)"]
    assert sum(line.thin for line in chart.lines) == 2
    slow = chart.named[0]
    shared = [place for place, x in enumerate(slow.x) if 200 <= x <= 300]
    assert [place for place, y in enumerate(slow.y) if y is not None] == shared
    x = np.array(slow.x)[shared]
    seeds = np.stack([np.interp(x, [100, 400], [0, 3]), np.interp(x, [200, 300], [3, 4])])
    assert [slow.y[place] for place in shared] == pytest.approx(seeds.mean(0))
    assert [slow.low[place] for place in shared] == pytest.approx(seeds.min(0))  # of two seeds it is their range
    assert [slow.high[place] for place in shared] == pytest.approx(seeds.max(0))
    assert chart.named[1].low is None


@pytest.mark.parametrize("beside", [False, True])
def test_seeds_that_share_no_agent_step_are_thin_lines_alone(folder, results, beside):
    """One has just begun: its only return lies between two points of the grid, which the other spans."""
    results["runs"] = [run("slow", 0, [1.0, 2.0, 3.0]), run("slow", 1, [None, 4.0]), run("fast", 0, [5.0, 6.0])]
    places = ([8192, 500_000, 1_000_000], [8192, 10_240], [8192, 1_000_000])
    for made, agent_steps in zip(results["runs"], places, strict=True):
        made["curve"]["agent_steps"] = agent_steps
    if not beside:
        del results["variants"][1], results["runs"][2]
    page = sweep_page(folder, results)
    (chart,) = page["groups"][0][2]
    thin, lone, slow = chart.lines[:3]
    assert [line.thin for line in (thin, lone, slow)] == [True, True, False]
    assert [thin.y[0], thin.y[-1]] == [1.0, 3.0]
    assert slow.name == "slow (2 seeds)"
    assert [set(slow.y), slow.low, slow.high] == [{None}, None, None]
    assert chart.summary.removeprefix("Chart of return over agent-steps") == (
        ". fast (1 seed): 5 at 8.192k agent-steps, 6 at 1M; lowest 5, highest 6" * beside
    )
    text = render("sweep.html", page)
    assert len(re.findall(r'<path class="thin c1 dash0" d="M[^"]+"/>', text)) == 1
    assert '<path class="line c1 dash0" d=""/>' in text


def test_variants_and_runs_are_told(folder, results):
    (folder / "slow" / "seed_0").mkdir(parents=True)
    (folder / "slow" / "seed_0" / "report.html").write_text("")
    page = sweep_page(folder, results)
    assert page["state"] == ("open", "unfinished", "1 of 4 runs are not finished; they are left out of the means.")
    assert page["variants"][0]["final_return"] == "2 [1, 3.25]"
    assert (page["variants"][1]["improvement"], page["variants"][1]["difference"]) == ("0.5", "-")
    assert [run["report"] for run in page["runs"]] == ["slow/seed_0/report.html", None, None, None]
    assert page["runs"][0]["time"] == "1 min 5 s"


def test_failed_runs_are_said(folder, results):
    results["runs"][3]["state"] = "failed"
    assert sweep_page(folder, results)["state"][2] == "1 of 4 runs failed; they are left out of the means."


def test_the_threshold_is_shown_where_there_is_one(folder, results):
    results["variants"][0]["threshold"] = {"reached": 1, "agent_steps": 250_000.0}
    results["variants"][1]["threshold"] = {"reached": 0, "agent_steps": None}
    page = sweep_page(folder, results)
    assert page["reaches"]
    assert [row["threshold"] for row in page["variants"]] == ["250k (1 of 2)", "never"]


def test_the_command_writes_it(folder):
    result = CliRunner().invoke(report, [str(folder)])
    assert result.exit_code == 0, result.output
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "<h1>rates: a sweep of 2 variants</h1>" in text
    assert "toy in toy:cues" in text


def test_episodes_are_for_one_run(folder):
    result = CliRunner().invoke(report, [str(folder), "--episodes", "2"])
    assert (
        "--episodes is for the folder of a run; that of a sweep holds several: name one, VARIANT/seed_N"
        in result.output
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "results.json cannot be read: .*; `glulam sweep` writes it again when it is run again"),
        ("[]", "results.json is not what `glulam sweep` writes: it has no `glulam_sweep: 1`"),
        (
            '{"glulam_sweep": 1, "file": "x"}',
            "results.json lacks sweep, versions, variants, runs; `glulam sweep` writes",
        ),
    ],
)
def test_results_that_are_none(tmp_path, text, told):
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(GlulamError, match=told):
        read_sweep_results(tmp_path)
