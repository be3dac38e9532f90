"""What is written on boards and keys, and how much room it takes; widths are reckoned, since no font is asked."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import attrs

from glulam.picture._blueprint import ENVIRONMENT

if TYPE_CHECKING:
    from glulam.faults import Fault
    from glulam.picture._blueprint import Blueprint, Board, Line

__all__ = [
    "LINE",
    "SMALL",
    "TOP",
    "Face",
    "board_face",
    "chip_label",
    "chip_size",
    "count",
    "environment_face",
    "fault_lines",
    "flops",
    "shorten_end",
]

WIDTH = 296  # of every board, px: boards of a beam are of one width
LINE = 17  # px from one line of text to the next
TOP = 46  # px of a board's name and kind
WRAP = 39  # characters of small text that fit on a board
NAME, SMALL = 8.8, 6.7  # px a character of a name, and of small text, in a wide font
INDENT = 26  # px from a board's edge to its text
KEY, FORM = 7.3, 6.4  # px a character of a key, and of its shape and dtype, both in a monospaced font
LONGEST_KEY, LONGEST_FORM = 34, 60


@attrs.frozen(kw_only=True)
class Face:
    """A board as it is drawn: its lines of text and its size in px; `corner` stands at the right of the name."""

    title: str
    subtitle: str
    corner: str = ""
    notes: tuple[str, ...] = ()
    faults: tuple[tuple[str, str], ...] = ()
    """Each line's code, empty but on a fault's first, and its text."""
    remembers: bool = False

    width: int = WIDTH

    @property
    def height(self) -> int:
        """Px from edge to edge."""
        return TOP + 8 + LINE * len(self.notes) + self.fault_height

    @property
    def fault_height(self) -> int:
        """Px of the strip with the faults."""
        return LINE * len(self.faults) + 12 if self.faults else 0


def board_face(board: Board, drawn: Blueprint) -> Face:
    """Return what is written on a board."""
    kind = board.kind or "?"
    notes = [*_memory_note(board)]
    if board.share:
        notes += [f"weights of {board.share}"]
    if board.role == "policy":
        parts = ", ".join(part.kind for part in drawn.boards if part.role == "part")
        notes += _wrapped(f"made of {parts}") if parts else []
    corner = f"{count(board.cost.parameters)} params" if board.cost and board.cost.parameters else ""
    return Face(
        title=shorten_end(board.name, round((WIDTH - INDENT - 24 - SMALL * len(corner)) / NAME)),
        subtitle=shorten_end(f"{kind} · {board.distribution or 'not installed'}", WRAP),
        corner=corner,
        notes=tuple(notes),
        faults=tuple(line for number in board.faults for line in fault_lines(drawn.faults[number])),
        remembers=bool(board.memory),
    )


def environment_face(drawn: Blueprint) -> Face:
    """Return what is written on the environment's board: its name, what it is, and what nobody reads of it."""
    unread = [line.key for line in drawn.lines if line.writer == ENVIRONMENT and not line.readers]
    notes = _wrapped(f"gives too: {', '.join(unread)}") if unread else []
    title = shorten_end(drawn.env or "any environment", round((WIDTH - INDENT) / NAME))
    return Face(title=title, subtitle="environment", notes=tuple(notes))


def chip_size(line: Line) -> tuple[int, int]:
    """Return width and height of a key, px."""
    key, form = chip_label(line)
    width = max(KEY * len(key) + (20 if line.stored else 0), FORM * len(form)) + 24
    return 2 * round(width / 2), 38 if form else 26


def chip_label(line: Line) -> tuple[str, str]:
    """Return what is written on a key: its name, and its shape and dtype or what is wrong with it."""
    form = line.form if line.writer is not None else "written by nothing"
    return shorten_end(line.key, LONGEST_KEY), shorten_end(form, LONGEST_FORM)


def fault_lines(fault: Fault, width: int = WRAP) -> list[tuple[str, str]]:
    """Return a fault as lines of text: its code, empty but on the first line, and its message and what to do."""
    first, *others = [*_wrapped(f"{fault.code} {fault.message}", width), *_wrapped(f"try: {fault.remedy}", width)]
    return [(fault.code, first.removeprefix(fault.code)), *(("", line) for line in others)]


def count(number: int) -> str:
    """Return a number as people say it: `264 k`, `2.6 M`."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            value = number / size
            return f"{value:.0f} {unit}" if value >= 100 else f"{value:.1f} {unit}"  # noqa: PLR2004 - three digits are enough
    return str(number)


def flops(number: int) -> str:
    """Return a number of floating-point operations as people say it: `2.6 MFLOP`."""
    return f"{count(number)}FLOP" if number >= 1000 else f"{number} FLOP"  # noqa: PLR2004 - then there is a unit


def shorten_end(text: str, most: int) -> str:
    """Return a text, its end left out where it is too long."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _memory_note(board: Board) -> list[str]:
    if not board.memory:
        return []
    return _wrapped("remembers " + ", ".join(f"{state.name} {list(state.shape)}" for state in board.memory))


def _wrapped(text: str, width: int = WRAP) -> list[str]:
    return textwrap.wrap(text, width) or [""]
