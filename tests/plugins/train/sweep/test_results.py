"""Rows and summaries from files written by hand."""

import json

import pytest

from glulam_train.sweep.curves import draw_curves
from glulam_train.sweep.results import Results
from tests.plugins.train.sweep.fakes import HEAD


@pytest.fixture
def trained(planned):
    """Make the results of a plan whose runs trained `returns` (512 agent-steps), by hand."""

    def make(variants, returns, head=HEAD, code=0):
        plan = planned(variants, head)
        for cell in plan.cells:
            values = returns(cell)
            cell.folder.mkdir(parents=True)
            size = 512 // max(1, len(values))
            rows = [
                {"agent_steps": size * (k + 1), "seconds": 0.5 * (k + 1), "return_mean": value, "loss": 1.0}
                for k, value in enumerate(values)
            ]
            (cell.folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
            (cell.folder / "exit.json").write_text(json.dumps({"exit": code}))
        return Results(plan)

    return make


def test_a_row_holds_the_whole_curve_rounded(trained):
    row = trained("{plain: {}}", lambda cell: [None, 1 / 3, 2.0]).rows()[0]
    assert row["curve"] == {
        "agent_steps": [170, 340, 510],
        "seconds": [0.5, 1.0, 1.5],
        "return_mean": [None, 0.333333, 2.0],
    }
    assert (row["variant"], row["seed"], row["agent_steps"], row["seconds"]) == ("plain", 0, 510, 1.5)


def test_the_final_return_is_of_the_last_tenth_and_the_area_of_all(trained):
    """Oracle: 32 rows of 16 agent-steps; those after 460.8 are the last four."""
    row = trained("{plain: {}}", lambda cell: [float(k) for k in range(32)]).rows()[0]
    assert (row["state"], row["final_return"], row["area"]) == ("finished", (28 + 29 + 30 + 31) / 4, 15.5)


def test_before_an_episode_ended_there_is_no_return(trained):
    results = trained("{plain: {}}", lambda cell: [None] * 8)
    assert (results.rows()[0]["final_return"], results.rows()[0]["area"]) == (None, None)
    assert results.write()[0]["final_return"] is None


@pytest.mark.parametrize(
    ("returns", "code", "state"),
    [([1.0] * 8, 0, "finished"), ([1.0] * 8, 1, "failed"), ([], 1, "failed"), ([1.0], None, "unfinished")],
)
def test_states(trained, returns, code, state):
    assert trained("{plain: {}}", lambda cell: returns, code=code).rows()[0]["state"] == state


def test_a_run_that_stopped_before_its_last_step_is_unfinished(trained):
    """512 / 30, rounded down, times 30 is 510."""
    assert trained("{plain: {}}", lambda cell: [1.0] * 30).rows()[0]["state"] == "unfinished"


def test_a_run_that_has_not_begun_is_a_row_too(planned):
    [row, _] = Results(planned()).rows()
    assert (row["state"], row["exit"], row["agent_steps"], row["curve"]["seconds"]) == ("not begun", None, 0, [])


class TestThreshold:
    """32 rows of 16 agent-steps; the window is 5 %, 25.6 agent-steps: two rows."""

    @pytest.mark.parametrize(
        ("returns", "expected"),
        [
            ([0.0] * 10 + [1.0] * 22, 12 * 16),  # both rows of the window, not the first alone
            ([0.0] * 10 + [9.0] + [0.0] * 21, 11 * 16),
            ([5.0] + [0.0] * 31, 2 * 16),  # not before a whole window was played
            ([0.0] * 32, None),
            ([None] * 30 + [1.0] * 2, 31 * 16),
        ],
    )
    def test_it_is_reached_by_the_smoothed_return(self, trained, returns, expected):
        row = trained("{plain: {}}", lambda cell: returns, HEAD + "threshold: 1\n").rows()[0]
        assert row["threshold_steps"] == expected

    def test_the_summary_says_how_often_and_when(self, trained):
        results = trained("{plain: {}}", lambda cell: [float(cell.seed)] * 32, HEAD + "threshold: 1\n")
        assert results.write()[0]["threshold"] == {"reached": 1, "agent_steps": 32.0}

    def test_there_is_none_without_one(self, trained):
        results = trained("{plain: {}}", lambda cell: [1.0] * 32)
        assert "threshold_steps" not in results.rows()[0]
        assert "threshold" not in results.write()[0]


class TestSummary:
    @pytest.fixture
    def results(self, trained):
        return trained(
            "{plain: {seeds: 3}, better: {}}",
            lambda cell: [float(cell.seed + 10 * (cell.variant == "better"))] * 8,
        )

    def test_variants_are_compared_with_the_first(self, results):
        plain, better = results.write()
        assert (plain["n"], plain["final_return"]["value"], plain["difference"], plain["improvement"]) == (
            3,
            1,
            None,
            None,
        )
        assert (better["n"], better["final_return"]["value"], better["difference"]["value"]) == (2, 10.5, 9.5)
        assert better["improvement"] == {"value": 1, "low": 1, "high": 1}
        assert plain["final_return"]["low"] < 1 < plain["final_return"]["high"]
        assert (plain["agent_steps_per_second"], plain["minutes"]) == (128.0, 0.2)

    def test_only_finished_runs_count(self, results):
        (results.plan.cells[0].folder / "exit.json").write_text('{"exit": 1}')
        plain, _ = results.write()
        assert (plain["seeds"], plain["n"], plain["failed"], plain["final_return"]["value"]) == (3, 2, 1, 1.5)

    def test_the_file_says_what_was_run_and_with_what(self, results, tmp_path):
        results.write()
        data = json.loads((tmp_path / "out" / "results.json").read_text())
        assert data["sweep"]["variants"] == {"plain": {"seeds": 3}, "better": {}}
        assert {"glulam", "glulam-train", "glulam-tokens", "toy-mill", "torch"} <= set(data["versions"])
        assert [(row["variant"], row["seed"]) for row in data["runs"]] == [
            ("plain", 0), ("plain", 1), ("plain", 2), ("better", 0), ("better", 1)
        ]  # fmt: skip
        left = {path.name for path in (tmp_path / "out").iterdir() if path.is_file()}
        assert left == {"results.json", "curves.png"}


class TestCurves:
    @pytest.mark.parametrize("seeds", [0, 1, 3])
    def test_they_are_a_png(self, tmp_path, seeds):
        curve = {"agent_steps": [1, 2, 3], "return_mean": [None, 1.0, 2.0]}
        rows = [{"variant": "a", "curve": curve} for _ in range(seeds)]
        draw_curves(
            [*rows, {"variant": "b", "curve": {"agent_steps": [], "return_mean": []}}], ["a", "b"], tmp_path / "c.png"
        )
        assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
        assert [path.name for path in tmp_path.iterdir()] == ["c.png"]

    def test_more_variants_than_colours_are_drawn_too(self, tmp_path):
        curve = {"agent_steps": [1, 2], "return_mean": [0.0, 1.0]}
        names = [f"v{number}" for number in range(30)]
        draw_curves([{"variant": name, "curve": curve} for name in names], names, tmp_path / "c.png")
        assert (tmp_path / "c.png").stat().st_size > 1000

    def test_seeds_share_the_agent_steps_that_all_of_them_have(self):
        import numpy as np

        from glulam_train.sweep.curves import _on_grid

        one = (np.array([1.0, 5.0]), np.array([0.0, 4.0]))
        other = (np.array([2.0, 4.0]), np.array([10.0, 20.0]))
        grid, values = _on_grid([one, other])
        assert (grid[0], grid[-1]) == (2, 4)
        assert values[:, [0, -1]].tolist() == [[1, 3], [10, 20]]

    def test_seeds_that_share_none_have_no_mean(self, tmp_path):
        """Nor is a seed's last return carried on to where another begins."""
        import numpy as np

        from glulam_train.sweep.curves import _on_grid

        one = (np.array([1.0, 5.0]), np.array([0.0, 4.0]))
        other = (np.array([6.0, 7.0]), np.array([10.0, 20.0]))
        grid, values = _on_grid([one, other])
        assert (grid.shape, values.shape) == ((0,), (2, 0))
        rows = [
            {"variant": "a", "curve": {"agent_steps": [*steps], "return_mean": [*returns]}}
            for steps, returns in (one, other)
        ]
        draw_curves([*rows, rows[0] | {"variant": "b"}], ["a", "b"], tmp_path / "c.png")
        assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
