"""What is shown: lines where no terminal is, bars where one is, and the table."""

import io
import json

import pytest
from rich.console import Console

from glulam_train.sweep import display
from glulam_train.sweep.display import Display, summary_table
from tests.plugins.train.sweep.fakes import measured


@pytest.fixture
def shown(planned, monkeypatch):
    """Show a sweep of which one run finished and one is half done, and return what was seen."""

    def show(*, terminal):
        monkeypatch.setattr(display, "SECONDS_BETWEEN_LINES", 0.0)
        monkeypatch.setattr(display, "SECONDS_BETWEEN_LOOKS", 0.0)
        plan = planned("{plain: {seeds: 3}}")
        text, calls = io.StringIO(), []
        console = Console(file=text, force_terminal=terminal, width=120)
        with Display(measured(plan, plan.cells, 2), lambda: calls.append(1), console) as seen:
            first, second, third = plan.cells
            for cell in (first, second):
                seen.started(cell)
            note(first, 512)
            note(second, 256)
            seen.ended(first, "finished")
            seen.looked([second])
            seen.ended(second, "failed")
            seen.ended(third, "skipped")
        assert len(calls) == 3
        return text.getvalue()

    return show


def note(cell, steps):
    cell.folder.mkdir(parents=True)
    row = {"agent_steps": steps, "seconds": steps / 64, "return_mean": 1.5}
    (cell.folder / "metrics.jsonl").write_text(json.dumps(row) + "\n")


def test_lines_say_what_begins_and_ends_and_how_long_it_takes(shown):
    assert shown(terminal=False).splitlines() == [
        "plain seed 0: begins",
        "plain seed 1: begins",
        "plain seed 0: finished, 512 agent-steps, return 1.50; 1 of 3 runs finished",
        "1 of 3 runs finished, about 0:00:07 left",  # the third: 2 seconds and 512 steps at 100 a second
        "plain seed 1: failed, 256 agent-steps, return 1.50; 1 of 3 runs finished, 1 failed",
        "plain seed 2: skipped; 1 of 3 runs finished, 1 failed",
    ]


def test_a_terminal_gets_a_bar_for_all_and_one_a_run(shown):
    text = shown(terminal=True)
    assert "\x1b" in text
    assert "1 of 3 runs finished, about 0:00:07 left" in text
    assert "256/512  return 1.50" in text


def row(name, **more):
    interval = {"value": 1.25, "low": 1.0, "high": 1.5}
    base = {"variant": name, "seeds": 3, "n": 3, "failed": 0, "final_return": interval, "difference": None}
    base |= {"improvement": None, "area": interval, "agent_steps_per_second": 1234.5, "minutes": 2.25}
    return base | more


def test_the_table_has_a_row_a_variant(capsys):
    nothing = {"final_return": None, "area": None, "agent_steps_per_second": None, "minutes": 0.0, "n": 0}
    change = {"value": -0.5, "low": -1.0, "high": 0.25}
    one = {"value": 0.5, "low": None, "high": None}
    summary_table([row("[a]"), row("b", difference=change, improvement=one), row("c", **nothing)])
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert cells == [
        ["variant", "seeds", "final return", "difference", "P(better)", "area", "agent-steps/s", "minutes"],
        ["[a]", "3/3", "1.25 [1.00, 1.50]", "-", "-", "1.25", "1,234", "2.2"],
        ["b", "3/3", "1.25 [1.00, 1.50]", "-0.50 [-1.00, 0.25]", "0.50", "1.25", "1,234", "2.2"],
        ["c", "0/3", "-", "-", "-", "-", "-", "0.0"],
    ]


def test_a_narrow_terminal_has_intervals_below_their_values():
    change = {"value": -10.5, "low": -11.0, "high": -10.25}
    text = io.StringIO()
    narrow = Console(file=text, force_terminal=True, no_color=True, width=80, highlight=False)
    summary_table([row("grown_from_a_teacher", difference=change, improvement=change)], narrow)
    body = text.getvalue().splitlines()[-3:]
    assert max(map(len, body)) <= 80
    assert "…" not in text.getvalue()
    assert [line.split() for line in body] == [
        ["grown_from_a_", "3/3", "1.25", "-10.50", "-10.50", "1.25", "1,234", "2.2"],
        ["teacher", "[1.00,", "1.50]", "[-11.00,", "[-11.00,"],
        ["-10.25]", "-10.25]"],
    ]


@pytest.mark.parametrize(("reached", "steps", "told"), [(2, 5120.0, "5,120 (2/3)"), (0, None, "never")])
def test_the_table_says_when_a_threshold_was_reached(capsys, reached, steps, told):
    summary_table([row("a", threshold={"reached": reached, "agent_steps": steps})])
    head, line = capsys.readouterr().out.splitlines()
    assert "reached at" in head
    assert told in line
