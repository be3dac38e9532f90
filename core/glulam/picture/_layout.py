"""Where boards and keys lie: igraph orders them so that few lines cross, and here they get their places.

Boards and keys stand in ranks, keys between the boards that write and those that read them. A line that passes a rank
has a place of its own there, so that none runs through a board.
"""

from __future__ import annotations

from itertools import pairwise
from math import inf
from statistics import fmean
from typing import TYPE_CHECKING, Any

import attrs

from glulam._errors import GlulamError
from glulam.picture._blueprint import ENVIRONMENT
from glulam.picture._faces import board_face, chip_size, environment_face
from glulam.picture._wires import Node, Wire, draw_wires

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glulam.picture._blueprint import Blueprint
    from glulam.picture._faces import Face

__all__ = ["Layout", "lay_out"]

GAP = 26  # px between neighbours of a rank
RISE = 30  # px between ranks
LANE = 12  # px that a passing line takes
LOOP = 34  # px that the loop of a memory takes at a board's side
MARGIN = 20
SWEEPS = 40


@attrs.frozen(kw_only=True)
class Layout:
    """All nodes and wires of a picture, and its size in px."""

    width: int
    height: int
    nodes: tuple[Node, ...]
    wires: tuple[Wire, ...]


@attrs.define(eq=False)
class _Stop:
    """A place in a rank: a node's, or that of a line that passes."""

    width: float
    rank: int
    node: Node | None = None
    x: float = 0.0


def lay_out(drawn: Blueprint) -> Layout:
    """Return the layout of a blueprint.

    Raises:
        GlulamError: if igraph is not installed.
    """
    nodes, edges = _graph(drawn)
    if not nodes:
        return Layout(width=2 * MARGIN, height=2 * MARGIN, nodes=(), wires=())
    places = {node.name: number for number, node in enumerate(nodes)}
    pairs = [(places[one], places[other]) for one, other in edges]
    ranks, routes = _ordered(nodes, pairs)
    bands = _stand(nodes)
    left = min(stop.x - stop.width / 2 for rank in ranks for stop in rank) - MARGIN
    for rank in ranks:
        for stop in rank:
            stop.x -= left
            if stop.node is not None:
                stop.node.x = stop.x
    width = max(stop.x + stop.width / 2 for rank in ranks for stop in rank) + MARGIN
    passed = [[stop.x for stop in route] for route in routes]
    wires = draw_wires(nodes, pairs, passed, bands)
    return Layout(width=round(width), height=round(bands[-1][1] + MARGIN), nodes=tuple(nodes), wires=tuple(wires))


def _graph(drawn: Blueprint) -> tuple[list[Node], list[tuple[str, str]]]:
    """Return boards and keys with their ranks, and who follows whom."""
    nodes: list[Node] = []
    edges: list[tuple[str, str]] = []
    shown = [number for number, line in enumerate(drawn.lines) if line.is_drawn]
    if drawn.env is not None or any(drawn.lines[number].writer == ENVIRONMENT for number in shown):
        nodes.append(_board_node(ENVIRONMENT, environment_face(drawn)))
    nodes += [_board_node(board.name, board_face(board, drawn)) for board in drawn.boards if board.role != "part"]
    there = {node.name for node in nodes}
    for number in shown:
        line = drawn.lines[number]
        width, height = chip_size(line)
        chip = Node(name=f"\0{number}", width=width, height=height, line=number)  # no board's name holds a NUL
        nodes.append(chip)
        edges += [(line.writer, chip.name)] if line.writer in there else []
        edges += [(chip.name, reader) for reader in line.readers if reader in there]
    _rank(nodes, edges)
    return nodes, edges


def _board_node(name: str, face: Face) -> Node:
    return Node(name=name, width=face.width, height=face.height, face=face)


def _rank(nodes: list[Node], edges: Sequence[tuple[str, str]]) -> None:
    """Put each node one rank below the lowest that it follows; what follows nothing, just above what follows it."""
    before: dict[str, list[str]] = {node.name: [] for node in nodes}
    after: dict[str, list[str]] = {node.name: [] for node in nodes}
    for one, other in edges:
        before[other].append(one)
        after[one].append(other)
    ranks: dict[str, int] = {}

    def depth(name: str) -> int:
        if name not in ranks:
            ranks[name] = max((depth(other) + 1 for other in before[name]), default=0)
        return ranks[name]

    for node in sorted(nodes, key=lambda node: -depth(node.name)):
        if after[node.name] and _is_free(node, before):
            ranks[node.name] = min(ranks[name] for name in after[node.name]) - 1
    lowest = min(ranks.values(), default=0)
    for node in nodes:
        node.rank = ranks[node.name] - lowest


def _is_free(node: Node, before: dict[str, list[str]]) -> bool:
    """Whether a node may move down: nothing stands above it but what moves with it."""
    above = before[node.name]
    return node.name != ENVIRONMENT and all(name != ENVIRONMENT and not before[name] for name in above)


def _ordered(nodes: list[Node], pairs: list[tuple[int, int]]) -> tuple[list[list[_Stop]], list[list[_Stop]]]:
    """Return the stops of each rank from left to right, in igraph's order, and the stops that each edge passes."""
    try:
        import igraph
    except ImportError as error:
        msg = "pictures need igraph, which is not installed: pip install igraph, or the extra glulam[show]"
        raise GlulamError(msg) from error
    stops = [_Stop(_room(node), node.rank, node) for node in nodes]
    edges: list[tuple[int, int]] = []
    routes: list[list[_Stop]] = []
    for one, other in pairs:
        passed = [_Stop(LANE, rank) for rank in range(nodes[one].rank + 1, nodes[other].rank)]
        chain = [one, *range(len(stops), len(stops) + len(passed)), other]
        edges += pairwise(chain)
        stops += passed
        routes.append(passed)
    graph = igraph.Graph(n=len(stops), edges=edges, directed=True)
    found: Any = graph.layout_sugiyama(layers=[stop.rank for stop in stops], maxiter=1000)
    ranks: list[list[_Stop]] = [[] for _ in range(max(node.rank for node in nodes) + 1)]
    for stop, (x, _) in zip(stops, found.coords, strict=True):
        stop.x = round(x, 6)  # what igraph means to be one column is one, on every machine
        ranks[stop.rank].append(stop)
    for rank in ranks:
        rank.sort(key=lambda stop: stop.x)
    _settle(ranks, [(stops[one], stops[other]) for one, other in edges])
    return ranks, routes


def _room(node: Node) -> float:
    return node.width + (2 * LOOP if node.face is not None and node.face.remembers else 0)


def _settle(ranks: list[list[_Stop]], links: list[tuple[_Stop, _Stop]]) -> None:
    """Give igraph's columns their places: each near those that it is linked to, as far as its neighbours let it.

    What stands in one column stays in one, so that chains are straight.
    """
    columns = sorted({stop.x for rank in ranks for stop in rank})
    number = {x: n for n, x in enumerate(columns)}
    gaps: dict[tuple[int, int], float] = {}  # between columns that are neighbours in some rank
    for rank in ranks:
        for one, other in pairwise(rank):
            pair = (number[one.x], number[other.x])
            gaps[pair] = max(gaps.get(pair, 0.0), (one.width + other.width) / 2 + GAP)
    places = [0.0] * len(columns)
    for (left, right), gap in sorted(gaps.items()):
        places[right] = max(places[right], places[left] + gap)
    pulls: list[list[int]] = [[] for _ in columns]
    for one, other in links:
        if one.x != other.x:
            pulls[number[one.x]].append(number[other.x])
            pulls[number[other.x]].append(number[one.x])
    for _ in range(SWEEPS):
        for here in filter(pulls.__getitem__, range(len(columns))):
            low = max((places[left] + gap for (left, right), gap in gaps.items() if right == here), default=-inf)
            high = min((places[right] - gap for (left, right), gap in gaps.items() if left == here), default=inf)
            places[here] = min(max(fmean(places[other] for other in pulls[here]), low), high)
    for rank in ranks:
        for stop in rank:
            stop.x = round(places[number[stop.x]])


def _stand(nodes: list[Node]) -> list[tuple[float, float]]:
    """Give each node its height in the picture; return the upper and lower edge of each rank."""
    bands: list[tuple[float, float]] = []
    y = float(MARGIN)
    for rank in range(max(node.rank for node in nodes) + 1):
        here = [node for node in nodes if node.rank == rank]
        height = max((node.height for node in here), default=0)
        for node in here:
            node.y = y + height / 2
        bands.append((y, y + height))
        y += height + RISE
    return bands
