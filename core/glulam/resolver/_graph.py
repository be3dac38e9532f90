"""The third pass: who writes and who reads each key."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from glulam._unknown import UNKNOWN
from glulam.environment import INPUTS, OPTIONAL_INPUTS
from glulam.faults import nearest, shorten, suggestion
from glulam.keys import declared_keys
from glulam.resolver._order import Misread, order_faults

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glulam.environment import EnvSpec
    from glulam.faults import Fault
    from glulam.resolver._draft import DraftLayer

__all__ = ["Graph", "Use", "check_keys", "is_promised", "key_fields"]

ENVIRONMENT = "the environment"
NUMBER = re.compile(r"\d+")
TYPO = 0.75  # so similar to a key that there is that it must be meant; below, it may belong to a broken layer
MANY = 50  # faults after which no nearest key is looked for, which takes long among many keys


class Use(NamedTuple):
    """A field of a layer that names a key, and the key; a structural config has no field names."""

    field: str | None
    key: str


def key_fields(layer: DraftLayer, direction: str) -> list[Use]:
    """Return what a layer reads or writes (`direction`), as far as it is known."""
    if layer.config is None:
        return []
    specs = declared_keys(type(layer.config))
    if not specs:
        keys = layer.config.in_keys if direction == "read" else layer.config.out_keys
        return [Use(None, key) for key in keys]
    uses: list[Use] = []
    for field, spec in specs.items():
        if spec.direction == direction:
            value = getattr(layer.config, field)
            if value is not None and value is not UNKNOWN:
                uses += [Use(field, key) for key in (value if spec.many else (value,))]
    return uses


class Graph:
    """The keys of a policy: where each is read and written, by positions in the order of execution."""

    def __init__(self, layers: list[DraftLayer], env: EnvSpec | None) -> None:
        self.layers, self.env = layers, env
        self.offered = set(env.inputs if env else (*INPUTS, *OPTIONAL_INPUTS))
        self.reads = [key_fields(layer, "read") for layer in layers]
        self.writes = [key_fields(layer, "write") for layer in layers]
        self.writer: dict[str, int] = {}
        for position, uses in enumerate(self.writes):
            for use in uses:
                self.writer.setdefault(use.key, position)
        self.collisions: list[int] = []  # the positions before which a write went astray

    def known_keys(self) -> list[str]:
        """Return every key that the environment offers or a layer writes."""
        return sorted(self.offered | set(self.writer))

    def names(self) -> str:
        """Return the keys that there are, as a remedy lists them."""
        known = self.known_keys()
        return ", ".join(known[:MANY]) + (", ..." if len(known) > MANY else "")


def check_keys(graph: Graph) -> list[Fault]:
    """Return the faults of names, writers and order (GL301 to GL305, GL503)."""
    faults = [*_names(graph.layers), *_writes(graph)]
    misreads: list[Misread] = []
    missing: dict[str, list[tuple[DraftLayer, Use]]] = {}
    for position, (layer, uses) in enumerate(zip(graph.layers, graph.reads, strict=True)):
        for use in uses:
            writer = graph.writer.get(use.key)
            if use.key in graph.offered or (writer is not None and writer < position):
                continue
            if writer is not None:
                misreads.append(Misread(position, writer, use.field, use.key))
            elif use.key in OPTIONAL_INPUTS:
                faults.append(_not_offered(graph, layer, use))
            elif not is_promised(graph, use.key, position):
                missing.setdefault(use.key, []).append((layer, use))
    faults += order_faults(graph.layers, graph.reads, graph.writer, misreads)
    return faults + list(_missing(graph, missing))


def _names(layers: list[DraftLayer]) -> Iterator[Fault]:
    taken = {layer.name for layer in layers}
    numbers: dict[str, Iterator[int]] = {}
    seen: dict[str, DraftLayer] = {}
    for layer in layers:
        if not layer.name:
            continue
        if layer.name in seen:
            number = numbers.setdefault(layer.name, count(2))
            free = next(name for n in number if (name := f"{layer.name}_{n}") not in taken)
            line = seen[layer.name].line
            where = f" (the first stands in line {line})" if line else ""
            yield layer.fault("GL301", f"a second layer is named {layer.name!r}{where}", f"add 'name: {free}'", "name")
        seen.setdefault(layer.name, layer)


def _writes(graph: Graph) -> Iterator[Fault]:
    names: dict[str, int] = {}
    for position, (layer, uses) in enumerate(zip(graph.layers, graph.writes, strict=True)):
        twin = names.setdefault(layer.name, position)
        if twin != position and graph.writes[twin] == uses:
            continue  # a layer written twice is reported once, by its name
        own: set[str] = set()
        for field, key in uses:
            owner = graph.writer[key]
            if key in graph.offered or key in OPTIONAL_INPUTS:
                found = f"writes {shorten(repr(key))}, which {ENVIRONMENT} writes"
            elif owner != position or key in own:
                first = graph.layers[owner]
                where = f" (line {first.line})" if first.line else ""
                found = f"writes {shorten(repr(key))}, which layer {first.name!r}{where} writes already"
            else:
                own.add(key)
                continue
            graph.collisions.append(min(owner, position))
            place = (field,) if field else ()
            yield layer.fault("GL302", found, f"set {field or 'the output'} to a key of its own", *place)


def _not_offered(graph: Graph, layer: DraftLayer, use: Use) -> Fault:
    offers = ", ".join(graph.env.optional_inputs) if graph.env and graph.env.optional_inputs else "none"
    found = f"reads {use.key!r}, which the environment does not offer (optional inputs it offers: {offers})"
    remedy = "choose an environment that offers it, or read another key"
    return layer.fault("GL503", found, remedy, *((use.field,) if use.field else ()))


def _missing(graph: Graph, missing: dict[str, list[tuple[DraftLayer, Use]]]) -> Iterator[Fault]:
    """Yield GL304 for keys that nothing writes, less those that a write gone astray was to provide."""
    known = graph.known_keys()
    close = {key: _closeness(key, known) if len(missing) <= MANY else 1.0 for key in missing}
    astray = len(graph.collisions) + sum(_has_lost_key(layer) for layer in graph.layers)
    explained = [key for key in sorted(missing, key=lambda key: close[key]) if close[key] < TYPO][:astray]
    for key, uses in missing.items():
        if key in explained:
            continue
        remedy = suggestion(key, known, f"there are: {graph.names()}") if len(missing) <= MANY else "see the others"
        for layer, use in uses:
            place = (use.field,) if use.field else ()
            yield layer.fault("GL304", f"reads {shorten(repr(key))}, which nothing writes", remedy, *place)


def _closeness(key: str, known: Iterable[str]) -> float:
    """Return how sure it is that a key is misspelt: keys that differ in a number alone are meant to differ."""
    close = nearest(key, known)
    if close is None or NUMBER.sub("", key) == NUMBER.sub("", close):
        return 0.0
    return SequenceMatcher(None, key, close).ratio()


def _has_lost_key(layer: DraftLayer) -> bool:
    """Whether the field that names a key to be written is at fault, so that the key is not known."""
    specs = declared_keys(type(layer.config)) if layer.config is not None else {}
    return any(spec.direction == "write" and getattr(layer.config, f) is UNKNOWN for f, spec in specs.items())


def is_promised(graph: Graph, key: str, reader: int | None = None) -> bool:
    """Whether a broken layer (before the reader, where it is a layer) may be the one that writes a key."""
    return any(
        layer.is_broken and _may_write(graph, layer, position, key)
        for position, layer in enumerate(graph.layers[:reader])
    )


def _may_write(graph: Graph, layer: DraftLayer, position: int, key: str) -> bool:
    if layer.config is not None:  # of a layer that is known, only fields that it does not have are in doubt
        known = declared_keys(type(layer.config))
        return any(key in _strings(value) for name, value in layer.raw.items() if name not in known)
    said = {text for value in layer.raw.values() for text in _strings(value)}
    if key in said:
        return True
    # A layer whose kind is not known says by its fields what it writes, if a later layer reads one of them.
    later = {use.key for uses in graph.reads[position + 1 :] for use in uses}
    accounted = layer.role == "layer" and any(text in later and text not in graph.writer for text in said)
    return not accounted and _closeness(key, graph.known_keys()) < TYPO


def _strings(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
