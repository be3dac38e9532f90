"""A blueprint as one HTML file that needs nothing else: the picture, what stands behind each part of it, and tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from glulam.picture._blueprint import ENVIRONMENT
from glulam.picture._render import asset, escaped, markup, render
from glulam.picture._svg import draw_svg, style_of, summary

if TYPE_CHECKING:
    from glulam.faults import Fault
    from glulam.picture._blueprint import Blueprint

__all__ = ["draw_html"]


def draw_html(drawn: Blueprint) -> str:
    """Return the picture as a page."""
    numbers: dict[str, int | str] = {board.name: number for number, board in enumerate(drawn.boards)}
    return render(
        "page.html.jinja",
        drawn=drawn,
        lines=drawn.lines,
        world=ENVIRONMENT,
        numbers=numbers | {ENVIRONMENT: "world"},
        styles=[style_of(drawn, board) for board in drawn.boards],
        svg=markup(draw_svg(drawn, live=True)),
        summary=summary(drawn),
        note=_note(drawn),
        known=drawn.flops is not None,
        prose=_prose,
        where=_where,
        number=lambda value: "" if value is None else f"{value:,}",
        micro=lambda seconds: "" if seconds is None else f"{seconds * 1e6:,.1f}",
        page_css=asset("page.css"),
        picture_css=asset("picture.css"),
        script=asset("page.js"),
    )


def _prose(text: str) -> Any:  # noqa: ANN401 - markup
    """Return a docstring's text with what stands between backticks as code."""
    return markup(re.sub(r"`+([^`]+)`+", r"<code>\1</code>", escaped(text)))


def _where(fault: Fault) -> str:
    place = fault.place
    line = "" if place.line is None else f":{place.line}:{place.column}"
    return f"{place.file}{line}, at {place.path}" if place.file else f"at {place.path}"


def _note(drawn: Blueprint) -> str:
    if drawn.flops is None:
        why = "a policy with faults is not built" if drawn.faults else "--env names the world that they depend on"
        return f"Parameters, FLOPs and memory are not known: {why}."
    note = (
        "FLOPs are those of matrix products, convolutions and attention, two for each multiplication, in a step of one "
        "agent with a full observation."
    )
    if drawn.timing:
        note += (
            f" Times are medians of {drawn.timing}, each layer called alone; the last row is the policy's whole step, "
            "which runs them as one function."
        )
    return note
