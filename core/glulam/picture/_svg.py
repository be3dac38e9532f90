"""A blueprint as SVG: alone as a file, or as the part of a page that one can point at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glulam.picture._blueprint import ENVIRONMENT
from glulam.picture._faces import LINE, SMALL, TOP, chip_label, fault_lines, flops, shorten_end
from glulam.picture._layout import lay_out
from glulam.picture._render import asset, render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glulam.picture._blueprint import Blueprint, Board
    from glulam.picture._wires import Node

__all__ = ["draw_svg", "style_of", "summary"]

MARGIN = 24
NARROWEST = 560
HUES = 8


def draw_svg(drawn: Blueprint, *, live: bool = False) -> str:
    """Return the picture as SVG; `live` for a page whose script makes boards respond."""
    layout = lay_out(drawn)
    width = max(layout.width, NARROWEST)
    heading = [] if live else list(_heading(drawn, width))  # a page has one of its own
    drop = heading[-1]["y"] + 8 if heading else 0
    legend = list(_legend(drawn, width, drop + layout.height + 14))
    numbers = {board.name: number for number, board in enumerate(drawn.boards)} | {ENVIRONMENT: "world"}
    return render(
        "picture.svg.jinja",
        live=live,
        css=asset("picture.css"),
        label=f"Policy {drawn.name}" + (f" in {drawn.env}" if drawn.env else ""),
        description=_description(drawn),
        width=width,
        height=legend[-1]["y"] + 18 if legend else drop + layout.height,
        margin=MARGIN,
        shift=(width - layout.width) // 2,
        drop=drop,
        heading=heading,
        legend=legend,
        wires=[
            {"line": wire.line, "board": numbers[wire.board], "path": wire.path, "inward": wire.inward,
             "lost": bool(drawn.lines[wire.line].writer is None)}
            for wire in layout.wires
        ],
        chips=[_chip(drawn, node) for node in layout.nodes if node.line is not None],
        boards=[_board(drawn, node, numbers[node.name]) for node in layout.nodes if node.line is None],
    )  # fmt: skip


def style_of(drawn: Blueprint, board: Board) -> str:
    """Return the class that gives a board its colour: one a distribution."""
    found = drawn.distributions
    return f"hue{found.index(board.distribution) % HUES}" if board.distribution else "plain"


def summary(drawn: Blueprint) -> str:
    """Return one line of what a policy amounts to."""
    words = [f"in {drawn.env}"] if drawn.env else ["in any environment"]
    if drawn.parameters is not None:
        words.append(f"{drawn.parameters:,} parameters")
    if drawn.flops is not None:
        words.append(f"{flops(drawn.flops)} a step of one agent")
    if drawn.faults:
        words.append(f"{len(drawn.faults)} fault{'s' * (len(drawn.faults) != 1)}")
    return " · ".join(words)


def _heading(drawn: Blueprint, width: int) -> Iterator[dict[str, Any]]:
    yield {"text": shorten_end(drawn.name, width // 12), "y": 40, "style": "heading"}
    y = 60
    yield {"text": summary(drawn), "y": y, "style": "soft"}
    for number in drawn.outside_faults:
        y += 6
        for code, text in fault_lines(drawn.faults[number], round((width - 2 * MARGIN) / SMALL)):
            y += LINE
            yield {"text": code + text, "y": y, "style": "fault"}


def _legend(drawn: Blueprint, width: int, y: int) -> Iterator[dict[str, Any]]:
    marks = [("", f"hue{number % HUES}", name) for number, name in enumerate(drawn.distributions)]
    if drawn.experience:
        marks.append(("stored", "", "stored in the experience buffer"))
    if any(board.memory for board in drawn.boards):
        marks.append(("memory", "", "remembers from step to step"))
    x = MARGIN
    for kind, style, text in marks:
        room = 19 + round(len(text) * SMALL) + 22
        if x > MARGIN and x + room > width:
            x, y = MARGIN, y + 22
        yield {"kind": kind, "style": style, "text": text, "x": x, "y": y}
        x += room


def _chip(drawn: Blueprint, node: Node) -> dict[str, Any]:
    line = drawn.lines[node.line or 0]
    key, form = chip_label(line)
    return {
        "number": node.line, "left": node.left, "top": node.top, "width": node.width, "height": node.height,
        "key": key, "form": form, "stored": bool(line.stored), "lost": line.writer is None or bool(line.faults),
        "told": f"{line.key} {line.form}".strip() + (f", stored {line.stored}" if line.stored else ""),
    }  # fmt: skip


def _board(drawn: Blueprint, node: Node, number: int | str) -> dict[str, Any]:
    face = node.face
    assert face is not None  # noqa: S101 - a node is a board or a key
    strip = node.height - face.fault_height
    board = None if number == "world" else drawn.boards[int(number)]
    return {
        "number": number, "left": node.left, "top": node.top, "width": node.width, "height": node.height,
        "style": "world" if board is None else style_of(drawn, board), "loop": face.remembers,
        "grain": range(4, node.height - 8, 7) if board else (),
        "title": face.title, "subtitle": face.subtitle, "corner": face.corner, "strip": strip,
        "notes": [{"text": note, "y": TOP + 12 + LINE * place} for place, note in enumerate(face.notes)],
        "faults": [{"code": code, "text": text, "y": strip + 17 + LINE * place}
                   for place, (code, text) in enumerate(face.faults)],
        "told": _told(drawn, board) if board else f"environment {drawn.env or ''}".strip(),
    }  # fmt: skip


def _told(drawn: Blueprint, board: Board) -> str:
    owner = f" from {board.distribution} {board.version}".rstrip() if board.distribution else ""
    faults = "".join(f"; {drawn.faults[number].code} {drawn.faults[number].message}" for number in board.faults)
    return f"{board.name}: {board.role} {board.kind}{owner}{faults}"


def _description(drawn: Blueprint) -> str:
    """Return the picture in words."""
    sentences = []
    for board in drawn.boards:
        reads = ", ".join(dict.fromkeys(use.key for use in board.reads)) or "nothing"
        writes = ", ".join(use.key for use in board.writes)
        sentences.append(f"{_told(drawn, board)}; reads {reads}" + (f"; writes {writes}." if writes else "."))
    sentences += [f"{drawn.faults[n].code} {drawn.faults[n].message}." for n in drawn.outside_faults]
    return " ".join(sentences)
