"""What a user sees while training: a bar on a terminal, a plain line now and then elsewhere."""

import io

import pytest
from rich.console import Console

from glulam_train import progress
from glulam_train.plot import draw_curve
from glulam_train.progress import TrainingProgress, summary


def row(steps, **more):
    base = {"agent_steps": steps, "seconds": 1.0, "steps_per_second": 1000.0, "return_mean": 1.5, "loss": 0.25}
    return base | {"ppo/entropy": 1.25, "ppo/approx_kl": 0.5} | more


def shown(rows, *, steps=10_000, terminal=False):
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=120)
    with TrainingProgress(steps, console) as shows:
        for item in rows:
            shows.show(item)
    return text.getvalue()


def test_a_line_says_steps_speed_return_losses_and_time_left():
    assert shown([row(4000)]) == (
        "4,000 of 10,000 steps  1,000 steps/s  return 1.50  loss 0.250  entropy 1.250  0:06 left\n"
    )


def test_lines_come_now_and_then_and_at_the_end():
    lines = shown([row(steps) for steps in (1000, 2000, 3000, 10_000)]).splitlines()
    assert [line.split()[0] for line in lines] == ["1,000", "10,000"]


def test_lines_go_on_after_a_while(monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    assert len(shown([row(1000), row(2000), row(3000)]).splitlines()) == 3


@pytest.mark.parametrize(("speed", "left"), [(1.0, "2:46:30"), (0.0, "left"), (100.0, "1:39")])
def test_time_left_is_a_clock(speed, left):
    assert left in shown([row(10, steps_per_second=speed)])


def test_steps_beyond_the_last_leave_no_time():
    assert "0:00 left" in shown([row(12_000)])


def test_before_the_first_episode_ended_there_is_no_return():
    assert "return -" in summary(row(1, return_mean=None))


def test_no_colour_or_bar_where_nobody_looks():
    assert "\x1b" not in shown([row(1000)])


def test_a_terminal_gets_a_bar():
    text = shown([row(4000)], terminal=True)
    assert "\x1b" in text
    assert "4,000/10,000" in text
    assert "return 1.50" in text


class TestCurve:
    def test_it_is_a_png_written_whole(self, tmp_path):
        draw_curve([row(1, return_mean=None), row(2), row(3)], tmp_path / "curve.png", "fast")
        assert [path.name for path in tmp_path.iterdir()] == ["curve.png"]
        assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")

    def test_a_run_without_a_finished_episode_has_one_too(self, tmp_path):
        draw_curve([], tmp_path / "curve.png", "fast")
        assert (tmp_path / "curve.png").stat().st_size > 1000
