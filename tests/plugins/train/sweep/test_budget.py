"""What a sweep will cost: how runs fall on processes, and the text that says it."""

import json

import pytest

from glulam_train.sweep.budget import Budget, Pace, clock, duration


@pytest.fixture
def cells(planned):
    return lambda variants: planned(variants).cells


PACES = {"a": Pace(128.0, 1.0), "b": Pace(256.0, 0.5)}  # 5 and 2.5 seconds a run of 512 agent-steps


@pytest.mark.parametrize(
    ("variants", "jobs", "seconds"),
    [
        ("{a: {seeds: 1}}", 1, 5.0),
        ("{a: {seeds: 3}}", 1, 15.0),
        ("{a: {seeds: 3}}", 2, 10.0),
        ("{a: {seeds: 3}}", 8, 5.0),
        ("{a: {seeds: 1}, b: {seeds: 2}}", 2, 5.0),
        ("{a: {seeds: 1}, b: {seeds: 1, after: a}}", 2, 7.5),
        ("{a: {seeds: 2}, b: {seeds: 2, after: {variant: a, seed: 0}}}", 4, 7.5),
    ],
)
def test_the_time_of_all_is_that_of_the_last_process(cells, variants, jobs, seconds):
    assert duration(cells(variants), PACES, jobs) == seconds


def test_what_was_trained_before_is_not_counted(cells):
    [cell] = cells("{a: {seeds: 1}}")
    cell.folder.mkdir(parents=True)
    row = {"agent_steps": 384, "seconds": 1.0, "return_mean": None}
    (cell.folder / "metrics.jsonl").write_text(json.dumps(row) + "\n" + '{"agent_st')
    budget = Budget((cell,), PACES, 1)
    assert (budget.agent_steps, budget.seconds) == (128, 2.0)


def test_the_text_says_runs_steps_speed_and_time(cells):
    assert Budget(cells("{a: {}, b: {seeds: 1, steps: 2560000}}"), PACES, 2).lines() == [
        "3 runs, 2,561,024 agent-steps in all, 2 at a time",
        "  variant  runs  agent-steps  agent-steps/s  time a run",
        "  a           2        1,024            128     0:00:05",
        "  b           1    2,560,000            256     2:46:40",
        "about 2:46:46 (hours:minutes:seconds) by a trial of each variant",
    ]


def test_programs_get_the_same_numbers(cells):
    assert Budget(cells("{a: {}}"), PACES, 2).to_json() == {
        "runs": 2,
        "agent_steps": 1024,
        "jobs": 2,
        "seconds": 5.0,
        "variants": [
            {"variant": "a", "runs": 2, "agent_steps": 1024, "agent_steps_per_second": 128.0, "seconds_a_run": 5.0}
        ],
    }


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00:00"), (59.6, "0:01:00"), (36_125, "10:02:05"), (-3, "0:00:00")]
)
def test_a_time_is_hours_minutes_and_seconds(seconds, text):
    assert clock(seconds) == text
