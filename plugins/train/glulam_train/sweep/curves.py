"""The learning curves of a sweep as a picture: a line a variant, the mean over seeds, with its interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

import glulam
from glulam_train.sweep.statistics import band

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["draw_curves"]

# Okabe and Ito (2008), less their yellow, which is hardly seen on white: told apart with any colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", ":", "-.")  # the next once colours run out
POINTS = 200


def draw_curves(rows: Sequence[Mapping[str, Any]], variants: Sequence[str], path: Path) -> None:
    """Draw finished and unfinished runs into a PNG file, which is written whole or not at all.

    Args:
        rows: of the runs, as results have them.
        variants: their names, in the order of the file, which decides the colours.
        path: the file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained", dpi=150)
    axes = figure.add_subplot()
    drawn: list[tuple[float, Any]] = []
    for number, name in enumerate(variants):
        curves = [found for row in rows if row["variant"] == name and (found := _known(row["curve"])) is not None]
        if not curves:
            continue
        look: dict[str, Any] = {
            "color": COLOURS[number % len(COLOURS)],
            "linestyle": STYLES[number // len(COLOURS) % len(STYLES)],
        }
        for steps, returns in curves if len(curves) > 1 else ():
            axes.plot(steps, returns, linewidth=0.6, alpha=0.3, **look)
        grid, values = _on_grid(curves)
        middle, edges = values.mean(0), band(values)
        if edges is not None:
            axes.fill_between(grid, *edges, color=look["color"], alpha=0.15, linewidth=0)
        seeds = f"{len(curves)} seed{'s' * (len(curves) != 1)}"
        (line,) = axes.plot(grid, middle, linewidth=1.8, label=f"{name} ({seeds})", **look)
        drawn.append((float(middle[-1]) if middle.size else -math.inf, line))
    axes.set(xlabel="agent-steps", ylabel="return")
    axes.xaxis.set_major_formatter(lambda steps, _: f"{steps:,.0f}")
    axes.grid(alpha=0.3)
    axes.set_xlim(left=0)
    axes.spines[["top", "right"]].set_visible(False)
    lines = [line for _, line in sorted(drawn, key=lambda item: -item[0])]  # as they end, from the top
    if lines:
        figure.legend(handles=lines, loc="outside right upper", frameon=False)
    with glulam.replacing(path) as part:
        FigureCanvasAgg(figure).print_png(str(part))  # type: ignore[no-untyped-call]


def _known(curve: Mapping[str, Sequence[float | None]]) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Return steps and returns from the first finished episode on; None before it."""
    pairs = [(x, y) for x, y in zip(curve["agent_steps"], curve["return_mean"], strict=True) if y is not None]
    if not pairs:
        return None
    steps, returns = np.asarray(pairs, dtype=np.float64).T
    return steps, returns


def _on_grid(curves: Sequence[tuple[NDArray[Any], NDArray[Any]]]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return common agent-steps `(P,)`, where every seed has a return, and the returns there `(n, P)`; P may be 0."""
    first = max(steps[0] for steps, _ in curves)
    last = min(steps[-1] for steps, _ in curves)
    grid = np.linspace(first, last, POINTS if first <= last else 0)
    return grid, np.stack([np.interp(grid, steps, returns) for steps, returns in curves])
