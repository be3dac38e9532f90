"""The learning curve as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import glulam

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["draw_curve"]


def draw_curve(rows: Sequence[Mapping[str, Any]], path: Path, title: str) -> None:
    """Draw the mean return over agent-steps into a PNG file; matplotlib is imported here, on first use.

    Args:
        rows: rows of `metrics.jsonl`; those before the first episode ended have no return.
        path: the file; written whole or not at all.
        title: above the curve.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    known = [row for row in rows if row["return_mean"] is not None]
    axes.plot([row["agent_steps"] for row in known], [row["return_mean"] for row in known])
    axes.set(xlabel="agent-steps", ylabel="mean return of recent episodes", title=title)
    axes.xaxis.set_major_formatter(lambda steps, _: f"{steps:,.0f}")
    axes.grid(alpha=0.3)
    axes.set_xlim(left=0)
    with glulam.replacing(path) as part:
        FigureCanvasAgg(figure).print_png(str(part))  # type: ignore[no-untyped-call]
