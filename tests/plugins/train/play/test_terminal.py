"""What stands on a terminal, and in a pipe."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from glulam_train.play.moments import Moment
from glulam_train.play.terminal import half_blocks, show


@pytest.fixture
def no_waiting(monkeypatch):
    """A clock that goes on by waiting alone; what is returned are the seconds that were waited."""
    waited = []
    clock = SimpleNamespace(monotonic=lambda: sum(waited), sleep=waited.append)
    monkeypatch.setattr("glulam_train.play.terminal.time", clock)
    return waited


def console(*, terminal=True, width=60, height=30, **choices):
    return Console(file=io.StringIO(), force_terminal=terminal, width=width, height=height, **choices)


def moments(agents=1, view="the view", *, values=True):
    def moment(step, **changes):
        told = {
            "actions": [f"go_{agent}" for agent in range(agents)],
            "values": [0.5 * agent for agent in range(agents)] if values else [],
            "rewards": [float(agent) for agent in range(agents)],
        }
        return Moment(
            episode=1, step=step, view=view, returns=[agent * 2.0 for agent in range(agents)], **(told | changes)
        )

    return [moment(0), moment(1, actions=[], values=[], rewards=[])]


class TestPipe:
    def test_a_step_is_a_line_without_colours_or_waiting(self, no_waiting):
        out = console(terminal=False)
        assert list(show(moments(view="\x1b[31mred\x1b[0m"), out, 10)) == [0.0]
        assert out.file.getvalue().splitlines() == [
            "episode 1 step 0  go_0  reward 0.000  value 0.000  return 0.000",
            "episode 1: return 0.000 in 1 steps",
        ]
        assert no_waiting == []

    def test_of_many_agents_the_first_ones_and_the_means(self):
        out = console(terminal=False)
        assert list(show(moments(agents=6), out, 10)) == [5.0]
        first, last = out.file.getvalue().splitlines()
        assert first == ("episode 1 step 0  go_0, go_1, go_2, go_3 and 2 more  reward 2.500  value 1.250  return 5.000")
        assert last == "episode 1: return 5.000 (mean of 6 agents) in 1 steps"

    def test_a_policy_without_values_has_none(self):
        out = console(terminal=False)
        list(show(moments(values=False), out, 10))
        assert "value" not in out.file.getvalue()

    def test_names_are_no_markup(self):
        out = console(terminal=False)
        [first, *_] = moments()
        first = Moment(episode=1, step=0, view="", actions=["[red]go"], values=[], rewards=[0.0], returns=[0.0])
        list(show([first], out, 10))
        assert "[red]go" in out.file.getvalue()


@pytest.mark.usefixtures("no_waiting")
class TestTerminal:
    def test_view_and_a_row_an_agent(self):
        out = console()
        assert list(show(moments(agents=2), out, 10)) == [1.0]
        text = out.file.getvalue()
        assert "the view" in text
        assert "episode 1  step 0" in text
        rows = [line.split() for line in text.splitlines() if "go_" in line]
        assert rows == [["0", "go_0", "0.000", "0.000", "0.000"], ["1", "go_1", "1.000", "0.500", "2.000"]]
        assert ["mean", "0.500", "0.250", "1.000"] in [_plain(line).split() for line in text.splitlines()]
        assert "episode 1: return 1.000 (mean of 2 agents) in 1 steps" in text

    def test_more_agents_than_there_is_room_for_are_counted(self):
        out = console()
        list(show(moments(agents=11), out, 10))
        assert "go_7" in out.file.getvalue()
        assert "go_8" not in out.file.getvalue()
        assert "and 3 more" in out.file.getvalue()

    def test_steps_come_at_the_speed_that_was_asked_for(self, no_waiting):
        list(show(moments(), console(), 4))
        assert no_waiting == [0.25, 0.25]

    def test_a_picture_that_is_too_large_is_made_to_fit(self):
        out = console(width=40, height=20)
        list(show(moments(view=np.zeros((400, 600, 3), np.uint8)), out, 10))
        assert max(len(_plain(line)) for line in out.file.getvalue().splitlines()) <= 40


def _plain(text):
    from rich.text import Text

    return Text.from_ansi(text).plain


class TestHalfBlocks:
    """Oracle: each pixel by hand."""

    def test_two_pixels_a_character(self):
        picture = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [9, 9, 9]]], np.uint8)
        text = half_blocks(picture, console(color_system="truecolor"), 10)
        assert text.plain == "▀▀\n"
        styles = [(span.style.color.name, span.style.bgcolor.name) for span in text.spans]
        assert styles == [("#ff0000", "#0000ff"), ("#00ff00", "#090909")]

    @pytest.mark.parametrize(("width", "lines", "size"), [(60, 5, (5, 15)), (30, 99, (10, 30)), (600, 600, (20, 60))])
    def test_it_keeps_its_proportions_and_fits(self, width, lines, size):
        text = half_blocks(np.zeros((40, 60, 3), np.uint8), console(width=width, color_system="truecolor"), lines)
        found = text.plain.splitlines()
        assert (len(found), len(found[0])) == size

    def test_without_colours_brightness_becomes_letters(self):
        picture = np.zeros((2, 3, 3), np.uint8)
        picture[:, 1], picture[:, 2] = 128, 255
        assert half_blocks(picture, console(no_color=True), 10).plain == " +@"
