"""Lines with bands as the geometry of a chart: what a template needs to draw it, in thousandths of its plot.

Text stands beside the drawing as HTML, so that it keeps its size, its colours and its fonts at any width.
"""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING, Any

import attrs

from glulam_train.report.figures import count, number, steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["Chart", "Line", "binned", "points_of"]

POINTS = 240  # of a line: more than a screen tells apart
SIZE = 1000
MARGIN = 0.05  # of the range, above and below
Value = float | None


@attrs.frozen
class Line:
    """A line: `x` and `y` of its points (None where there is no value), and what its band goes from and to there.

    `thin` lines stay in the background, without a name.

    Attributes:
        name: beside its end, and in the table of values.
        low: where the band begins at each point, if there is one.
        high: where it ends.
        colour: which of the colours, from 1.
        dash: which of the dashes, 0 for none.
    """

    name: str
    x: Sequence[float]
    y: Sequence[Value]
    low: Sequence[Value] | None = None
    high: Sequence[Value] | None = None
    colour: int = 1
    dash: int = 0
    thin: bool = False


def binned(name: str, x: Sequence[float], y: Sequence[Value], spread: Sequence[Value] | None = None) -> Line:
    """Return a line of at most 240 points, each the mean of as many neighbours.

    Its band is the mean of their half widths, if they have one; else, where a point stands for several values, it
    goes from the lowest of them to the highest.

    Args:
        name: of the line.
        x: one a value; a point stands at the last of its own.
        y: the values; None where there is none.
        spread: the half width of each value's interval.
    """
    each = points_of(len(x))
    parts = [slice(start, start + each) for start in range(0, len(x), each)]
    means = [_mean(y[part]) for part in parts]
    low: list[Value] | None = None
    high: list[Value] | None = None
    if spread is not None:
        halves = [_mean(spread[part]) for part in parts]
        both = list(zip(means, halves, strict=True))
        low = [None if m is None or h is None else m - h for m, h in both]
        high = [None if m is None or h is None else m + h for m, h in both]
    elif each > 1:
        low, high = ([pick(known) if (known := _known(y[part])) else None for part in parts] for pick in (min, max))
    return Line(name, [x[part][-1] for part in parts], means, low, high)


def points_of(values: int) -> int:
    """Return of how many values each point of a line is the mean."""
    return max(1, math.ceil(values / POINTS))


@attrs.frozen(kw_only=True)
class Chart:
    """Lines over agent-steps with what is said of them.

    Args:
        title: what is shown.
        told: in a sentence or two: what it is and how it was smoothed.
        lines: those to draw, the later ones on top.
        limit: a horizontal line, and its name.
        tall: whether it is the one to look at first.
        name: an id within the page.
    """

    name: str
    title: str
    told: str
    lines: Sequence[Line]
    limit: tuple[float, str] | None = None
    tall: bool = False

    @property
    def named(self) -> list[Line]:
        """The lines that have a name."""
        return [line for line in self.lines if not line.thin]

    @property
    def is_empty(self) -> bool:
        """Whether there is no value to draw."""
        return not any(_known(line.y) for line in self.lines)

    @property
    def summary(self) -> str:
        """What the chart shows, for those who do not see it."""
        told = []
        for line in self.named:
            pairs = [(x, y) for x, y in zip(line.x, line.y, strict=True) if y is not None]
            if pairs:
                low, high = min(y for _, y in pairs), max(y for _, y in pairs)
                told.append(
                    f"{line.name}: {number(pairs[0][1])} at {steps(pairs[0][0])} agent-steps, "
                    f"{number(pairs[-1][1])} at {steps(pairs[-1][0])}; lowest {number(low)}, highest {number(high)}"
                )
        return ". ".join([f"Chart of {self.title.lower()} over agent-steps", *told])

    def drawn(self) -> dict[str, Any]:
        """Return paths, ticks and positions, in thousandths of the plot's width and height."""
        right = max(line.x[-1] for line in self.lines if line.x)
        low, high = _range(self._values())
        x, y = _scale(0, right), _scale(high, low)
        drawn = {
            "x": [(x(tick) / 10, steps(tick)) for tick in _ticks(0, right, 5)],
            "y": [(y(tick) / 10, number(tick)) for tick in _ticks(low, high, 5)],
            "lines": [_paths(line, x, y) for line in self.lines],
            "limit": None if self.limit is None else y(self.limit[0]),
        }
        drawn["data"] = {
            "x": [round(x(value) / 10, 2) for value in self.named[0].x],
            "told": self._told(),
        }
        return drawn

    def _values(self) -> Iterable[float]:
        for line in self.lines:
            for values in (line.y, line.low or (), line.high or ()):
                yield from _known(values)
        if self.limit is not None:
            yield self.limit[0]

    def _told(self) -> list[str]:
        """Return what is said of each point of the first line, all others beside it."""
        told = []
        for place, x in enumerate(self.named[0].x):
            parts = []
            for line in self.named:
                if place < len(line.y) and line.y[place] is not None:
                    edges = _edges(line, place)
                    parts.append(f"{f'{line.name} ' if len(self.named) > 1 else ''}{number(line.y[place])}{edges}")
            told.append(f"{count(x)} agent-steps: {', '.join(parts) or 'no value'}")
        return told


def _edges(line: Line, place: int) -> str:
    low = line.low[place] if line.low is not None else None
    high = line.high[place] if line.high is not None else None
    return "" if low is None or high is None else f" ({number(low)} to {number(high)})"


def _known(values: Iterable[Value]) -> list[float]:
    return [value for value in values if value is not None]


def _mean(values: Sequence[Value]) -> Value:
    known = _known(values)
    return sum(known) / len(known) if known else None


def _range(values: Iterable[float]) -> tuple[float, float]:
    known = list(values)
    low, high = min(known), max(known)
    if math.isclose(low, high, rel_tol=1e-6):  # a flat line is seen against zero
        low, high = min(low, 0.0), max(high, 0.0)
    room = MARGIN * (high - low) or 1.0
    return low - room, high + room


def _scale(start: float, end: float) -> Callable[[float], float]:
    return lambda value: SIZE * (value - start) / ((end - start) or 1.0)


def _ticks(low: float, high: float, most: int) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    found = MaxNLocator(nbins=most, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(tick) + 0.0 for tick in found if low <= tick <= high]


def _paths(line: Line, x: Callable[[float], float], y: Callable[[float], float]) -> dict[str, Any]:
    """Return a path of the line, with gaps where there is no value, and one of the band."""
    points = [(x(at), None if value is None else y(value)) for at, value in zip(line.x, line.y, strict=True)]
    path = "".join(_run(part) for known, part in _runs(points) if known)
    band = ""
    if line.low is not None and line.high is not None:
        edges = [
            (x(at), None if low is None or high is None else (y(low), y(high)))
            for at, low, high in zip(line.x, line.low, line.high, strict=True)
        ]
        for known, part in _runs(edges):
            if known:
                there = [(at, high) for at, (_, high) in part]
                back = [(at, low) for at, (low, _) in reversed(part)]
                band += _run([*there, *back]) + "Z"
    return {"line": line, "path": path, "band": band}


def _runs(points: Sequence[tuple[float, Any]]) -> Iterable[tuple[bool, list[tuple[float, Any]]]]:
    for known, part in groupby(points, key=lambda point: point[1] is not None):
        yield known, list(part)


def _run(points: Sequence[tuple[float, float]]) -> str:
    placed = [f"{at:.1f} {value:.1f}" for at, value in points]
    return f"M{placed[0]}h.01" if len(placed) == 1 else "M" + "L".join(placed)
