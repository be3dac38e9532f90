"""What a run's page says: how it ended, what is odd, what was set."""

import pytest

from glulam_train.report.folder import read_run
from glulam_train.report.run_page import run_page
from tests.plugins.train.report.conftest import row


@pytest.fixture
def page(folder):
    return lambda *args, **kwargs: run_page(read_run(folder(*args, **kwargs)), 0)


STOPPED = "Stopped by SIGTERM after 200 of 512 agent-steps; glulam train --resume "
DIAGNOSIS = "training stopped after 200 agent-steps: the loss is nan; what first is not finite is the output 'core'"


@pytest.mark.parametrize(
    ("end", "steps", "kind", "word", "told"),
    [
        ({"end": "finished"}, 200, "good", "finished", "All of its 200 agent-steps were trained."),
        ({"end": "stopped", "why": "SIGTERM"}, 512, "open", "stopped", STOPPED),
        ({"end": "failed", "why": DIAGNOSIS}, 512, "bad", "failed", "T" + DIAGNOSIS[1:] + "."),
        (None, 512, "bad", "cut off", "It ended without a word, as a process that is killed does, after 200 of 512"),
        (None, 200, "good", "finished", "All of its 200 agent-steps were trained."),
    ],
)
def test_how_it_ended(page, end, steps, kind, word, told):
    state = page([row(0), row(1)], end, steps=steps)["state"]
    assert state[:2] == (kind, word)
    assert state[2].startswith(told)


def test_a_run_under_way(folder):
    from glulam_train.folder import RunFolder

    path = folder([row(0)], steps=1000)
    holder = RunFolder(path)
    holder.hold()
    try:
        state = run_page(read_run(path), 0)["state"]
    finally:
        holder.release()
    assert state == ("open", "under way", "A process trains in the folder now; 100 of 1,000 agent-steps.")


def test_what_is_seen_first(page):
    tiles = {label: (value, note) for label, value, note in page([row(0), row(1), row(2)])["tiles"]}
    assert tiles == {
        "Return, in training": ("2.00 ± 0.25", "mean of the last episodes of training, 95 % interval over them"),
        "Agent-steps": ("300", "of 512; 3 updates"),
        "Time": ("2 s", "of training, without its start"),
        "Agent-steps a second": ("200", "on cpu, over the whole training"),
        "Episodes": ("20", "of single agents"),
    }


def test_an_evaluation_comes_first(folder):
    path = folder([row(0)])
    (path / "evaluation.json").write_text('{"return_mean": 7.25, "return_ci95": 0.5, "episodes": 200}')
    page = run_page(read_run(path), 0)
    told = "200 episodes not seen in training, 95 % interval"
    assert page["tiles"][0] == ("Return, evaluated", "7.25 ± 0.50", told)
    assert page["evaluations"] == [("evaluation", "?", "7.25 ± 0.50", "200", "-", "?")]


def test_what_is_odd_is_said(page, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "stderr.txt").write_text("one\ntwo\n")
    end = {"end": "failed", "why": "x", "notes": ["skipped: a point"]}
    rows = [row(0, return_mean=None, return_ci95=None), row(1, **{"ppo/entropy": None}), row(2, ratio_error=0.25)]
    notes = page(rows, end)["notes"]
    assert "there is no checkpoint" in notes[0]
    assert notes[1:3] == ["skipped: a point", "ppo/entropy was not a finite number in 1 of 3 updates."]
    assert notes[3].startswith("Training and rollout disagreed by 0.25 before an update learned anything: a memory la")
    assert notes[4:] == ["The last that its process said:\none\ntwo"]


def test_settings_that_are_not_the_default_are_marked(page):
    found = {name: (value, default, changed) for name, value, default, changed in page([row(0)])["settings"]}
    assert found["policy"] == ("toy", "", False)
    assert found["num_envs"] == ("4", "32", True)
    assert found["gamma"] == ("0.97", "0.97", False)
    assert found["losses"] == ('["ppo"]', '["ppo"]', False)


def test_the_gradient_norm_has_the_line_that_it_is_clipped_at(page):
    charts = {title: charts for _, title, charts in page([row(0)], max_grad_norm=0.125)["groups"]}
    (chart,) = [chart for chart in charts["Gradients and learning rate"] if chart.title == "Gradient norm"]
    assert chart.limit == (0.125, "clipped at 0.125")
