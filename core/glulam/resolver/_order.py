"""Reads that come before the write: an order that works, or the circle in which layers read each other."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from glulam.faults import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from glulam.faults import Fault
    from glulam.resolver._draft import DraftLayer
    from glulam.resolver._graph import Use

__all__ = ["Misread", "order_faults"]

SHOWN = 30  # layers of an order, or of a circle, that a message lists
EXPLAINED = 20  # circles that are traced; of the others only the read is told

Edges = dict[int, list[int]]


class Misread(NamedTuple):
    """A read (of `key`, by `field` of the layer at `reader`) that comes before its write, both by position."""

    reader: int
    writer: int
    field: str | None
    key: str


def order_faults(
    layers: Sequence[DraftLayer], reads: Sequence[Sequence[Use]], writer: Mapping[str, int], misreads: list[Misread]
) -> Iterator[Fault]:
    """Yield GL303 for layers that stand in the wrong place and GL305 for reads in a circle.

    A layer moved before all it reads, or behind all who read it, is one fault, placed at the first such read.
    """
    if not misreads:
        return
    edges: Edges = defaultdict(list)
    for reader, uses in enumerate(reads):
        for use in uses:
            if use.key in writer:
                edges[writer[use.key]].append(reader)
    circle = _components(len(layers), edges)
    straight = [found for found in misreads if circle[found.reader] != circle[found.writer]]
    for number, found in enumerate(item for item in misreads if circle[item.reader] == circle[item.writer]):
        yield _circular(layers, edges, found, trace=number < EXPLAINED)
    readers, writers = Counter(m.reader for m in straight), Counter(m.writer for m in straight)
    groups: dict[int, list[Misread]] = {}
    for found in straight:
        misplaced = found.reader if readers[found.reader] >= writers[found.writer] else found.writer
        groups.setdefault(misplaced, []).append(found)
    order = _valid_order(layers, edges, circle) if groups else []
    for group in groups.values():
        yield _misplaced(layers, group, order)


def _misplaced(layers: Sequence[DraftLayer], group: list[Misread], order: list[str]) -> Fault:
    first = group[0]
    reader, writer = layers[first.reader], layers[first.writer]
    place = (first.field,) if first.field else ()
    line = f" (line {writer.line})" if writer.line else ""
    found = f"reads {shorten(repr(first.key))} before layer {writer.name!r}{line} writes it"
    others = sorted({layers[item.reader].name for item in group} - {reader.name})
    if others:
        found += f"; so do: {', '.join(others[:SHOWN])}"
    if reader.role == "obs_shaper":
        remedy = "the observation shaper runs first: let it read a key of the environment"
    elif writer.role == "action_head":
        remedy = "the action head runs last: read a key that a layer writes"
    elif len(order) <= SHOWN:
        remedy = f"order the layers: {', '.join(order)}"
    else:
        remedy = f"move {writer.name!r} before {reader.name!r}"
    return reader.fault("GL303", found, remedy, *place)


def _circular(layers: Sequence[DraftLayer], edges: Edges, found: Misread, *, trace: bool) -> Fault:
    reader, writer = layers[found.reader], layers[found.writer]
    place = (found.field,) if found.field else ()
    message = f"reads {shorten(repr(found.key))}, which layer {writer.name!r} writes"
    if reader is writer:
        return reader.fault(
            "GL305", f"reads {shorten(repr(found.key))}, which it writes itself", "read another key", *place
        )
    if trace:
        names = [layers[position].name for position in [*_path(edges, found.reader, found.writer), found.reader]]
        names = names if len(names) <= SHOWN else [*names[: SHOWN // 2], "...", *names[-SHOWN // 2 :]]
        message += f" after reading, in a circle: {' -> '.join(names)}"
    return reader.fault("GL305", message, "no order of the layers exists: let one of them read another key", *place)


def _path(edges: Edges, start: int, end: int) -> list[int]:
    """Return a shortest way from one layer to another along the keys that pass between them."""
    came: dict[int, int] = {start: start}
    queue = [start]
    for position in queue:
        for following in edges[position]:
            if following not in came:
                came[following] = position
                queue.append(following)
    path = [end]
    while path[-1] != start:
        path.append(came[path[-1]])
    return path[::-1]


def _valid_order(layers: Sequence[DraftLayer], edges: Edges, circle: list[int]) -> list[str]:
    """Return names in an order, close to today's, in which each key is written before it is read.

    Reads inside a circle are left out of account: they have faults of their own.
    """
    waiting = [0] * len(layers)
    for position, followers in edges.items():
        for following in followers:
            waiting[following] += circle[following] != circle[position]
    ready = [position for position, number in enumerate(waiting) if not number]
    order: list[int] = []
    while ready:
        position = heapq.heappop(ready)
        order.append(position)
        for following in edges[position]:
            if circle[following] != circle[position]:
                waiting[following] -= 1
                if not waiting[following]:
                    heapq.heappush(ready, following)
    return [layers[p].name for p in order if layers[p].role == "layer" and layers[p].name]


def _components(size: int, edges: Edges) -> list[int]:
    """Return the strongly connected component of each node (Tarjan 1972, without recursion)."""
    index: list[int] = [-1] * size
    low = [0] * size
    component = [-1] * size
    stack: list[int] = []
    number = 0
    for root in range(size):
        if index[root] >= 0:
            continue
        work = [(root, iter(edges[root]))]
        index[root] = low[root] = number
        number += 1
        stack.append(root)
        while work:
            node, followers = work[-1]
            following = next((item for item in followers if index[item] < 0 or component[item] < 0), None)
            if following is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    while component[node] < 0:
                        component[stack.pop()] = node
            elif index[following] < 0:
                index[following] = low[following] = number
                number += 1
                stack.append(following)
                work.append((following, iter(edges[following])))
            else:
                low[node] = min(low[node], index[following])
    return component
