"""Lines of a picture: straight down through the ranks, in curves between them, so that none runs through a board."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glulam.picture._faces import Face

__all__ = ["Node", "Wire", "draw_wires"]

PORTS = 18  # px between lines that end at one board
EDGE = 6  # px from a board's corner to the nearest line
HEAD = 8  # px of an arrow's head


@attrs.define(kw_only=True)
class Node:
    """A board (`face`), or a key (`line`, its number), with its middle and size in px."""

    name: str
    width: int
    height: int
    face: Face | None = None
    line: int | None = None
    rank: int = 0
    x: float = 0.0
    y: float = 0.0

    @property
    def left(self) -> int:
        """Px from the left edge of the picture."""
        return round(self.x - self.width / 2)

    @property
    def top(self) -> int:
        """Px from the upper edge of the picture."""
        return round(self.y - self.height / 2)


@attrs.frozen(kw_only=True)
class Wire:
    """A line between a board and a key, as an SVG path; `inward` where it ends at a board."""

    line: int
    board: str
    path: str
    inward: bool


def draw_wires(
    nodes: list[Node], pairs: list[tuple[int, int]], routes: list[list[float]], bands: list[tuple[float, float]]
) -> list[Wire]:
    """Return the wires of a picture.

    Args:
        nodes: with their places.
        pairs: which node each wire leads from and to.
        routes: where each wire passes the ranks between, px from the left.
        bands: the upper and lower edge of each rank, px from the top.
    """
    begins = _ports(nodes, [(one, _next(routes[n], nodes[other])) for n, (one, other) in enumerate(pairs)])
    ends = _ports(nodes, [(other, _next(routes[n][::-1], nodes[one])) for n, (one, other) in enumerate(pairs)])
    wires = []
    for number, (one, other) in enumerate(pairs):
        upper, lower = nodes[one], nodes[other]
        path = _Path(begins[number], upper.y + upper.height / 2)
        path.down(bands[upper.rank][1])
        for rank, x in enumerate(routes[number], start=upper.rank + 1):
            path.over(x, bands[rank][0])
            path.down(bands[rank][1])
        path.over(ends[number], bands[lower.rank][0])
        path.down(lower.y - lower.height / 2)
        key, board = (upper, lower) if upper.line is not None else (lower, upper)
        wires.append(Wire(line=key.line or 0, board=board.name, path=path.text, inward=board is lower))
    return wires


def _next(route: list[float], node: Node) -> float:
    return route[0] if route else node.x


def _ports(nodes: list[Node], ends: list[tuple[int, float]]) -> list[float]:
    """Return where each wire meets its node, as straight below or above what it comes from as can be."""
    found = [0.0] * len(ends)
    for number, node in enumerate(nodes):
        mine = sorted((toward, n) for n, (owner, toward) in enumerate(ends) if owner == number)
        if node.line is not None:
            for _, n in mine:
                found[n] = node.x
            continue
        half = node.width / 2 - EDGE
        wanted = [min(max(toward, node.x - half), node.x + half) for toward, _ in mine]
        placed = _apart(wanted, [0.0] * len(mine), PORTS)
        slip = max(0.0, (placed[-1] if placed else 0) - node.x - half)
        for (_, n), x in zip(mine, placed, strict=True):
            found[n] = max(x - slip, node.x - half)
    return found


class _Path:
    """An SVG path from top to bottom: straight down through ranks, in curves between them."""

    def __init__(self, x: float, y: float) -> None:
        self.x, self.y = round(x), round(y)
        self.text = f"M{self.x} {self.y}"

    def down(self, y: float) -> None:
        """Go straight down to a height."""
        if round(y) > self.y:
            self.y = round(y)
            self.text += f"V{self.y}"

    def over(self, x: float, y: float) -> None:
        """Go down to a height and over to another side."""
        if round(x) == self.x:
            self.down(y)
            return
        end = round(y) - HEAD  # straight at last, as an arrow's head is
        middle = round((self.y + end) / 2)
        self.text += f"C{self.x} {middle} {round(x)} {middle} {round(x)} {end}"
        self.x, self.y = round(x), end
        self.down(y)


def _apart(wanted: Sequence[float], sizes: Sequence[float], gap: float) -> list[float]:
    """Return places as near as can be to the wanted ones (least squares), in order and without overlap.

    With what stands to the left taken off, this is isotonic regression: neighbours in the wrong order share a mean.
    """
    offsets = [0.0]
    for one, other in pairwise(sizes):
        offsets.append(offsets[-1] + (one + other) / 2 + gap)
    blocks: list[tuple[float, int]] = []
    for place, offset in zip(wanted, offsets, strict=False):
        mean, size = place - offset, 1
        while blocks and blocks[-1][0] > mean:
            other, number = blocks.pop()
            mean, size = (mean * size + other * number) / (size + number), size + number
        blocks.append((mean, size))
    means = [mean for mean, size in blocks for _ in range(size)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=False)]
