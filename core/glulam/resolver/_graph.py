"""The third pass: who writes and who reads each key."""

from __future__ import annotations

import re
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

import attrs

from glulam._unknown import UNKNOWN
from glulam.faults import is_slip, nearest, shorten, suggestion
from glulam.inputs import INPUTS, OPTIONAL_INPUTS
from glulam.keys import declared_keys
from glulam.resolver._order import Misread, order_faults
from glulam.resolver._piece import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glulam.environment import EnvSpec
    from glulam.faults import Fault
    from glulam.resolver._draft import DraftLayer

__all__ = ["Graph", "Use", "check_keys", "is_promised", "key_fields"]

ENVIRONMENT = "the environment"
NUMBER = re.compile(r"\d+")
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


class Lost(NamedTuple):
    """A write whose key is not what was meant: after which position the key may be missed, and where it is made."""

    earliest: int
    position: int
    default: str | None


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
        self.broken = [(n, layer) for n, layer in enumerate(layers) if layer.is_broken or layer.config is None]
        self.lost = [Lost(n, n, key) for n, layer in enumerate(layers) for key in _lost_keys(layer)]
        self._misspelt: dict[str, bool] = {}

    @cached_property
    def known_keys(self) -> list[str]:
        """Every key that the environment offers or a layer writes, as far as broken layers say."""
        said = {text for layer in self.layers if layer.config is None for text in _said(layer)}
        return sorted(self.offered | set(self.writer) | {text for text in said if text.isidentifier()})

    def is_misspelt(self, key: str) -> bool:
        """Whether a key that nothing writes is so like one that there is that it must be meant.

        Keys that differ in a number alone are meant to differ.
        """
        if key not in self._misspelt:
            close = nearest(key, [*self.known_keys, *OPTIONAL_INPUTS])
            meant = close is not None and NUMBER.sub("", key) != NUMBER.sub("", close)
            self._misspelt[key] = meant and is_slip(key, close or "")
        return self._misspelt[key]

    def is_ordered(self, writer: int, reader: int) -> bool:
        """Whether a write comes before a read, or nobody can say, since one of the two has no known place."""
        return writer < reader or self.layers[writer].is_misplaced or self.layers[reader].is_misplaced

    def names(self) -> str:
        """Return the keys that there are, as a remedy lists them."""
        known = self.known_keys
        return ", ".join(known[:MANY]) + (", ..." if len(known) > MANY else "")


def check_keys(graph: Graph) -> list[Fault]:
    """Return the faults of names, writers and order (GL301 to GL305, GL503)."""
    faults = [*_names(graph.layers), *_writes(graph)]
    misreads: list[Misread] = []
    missing: dict[str, list[tuple[int, Use]]] = {}
    for position, (layer, uses) in enumerate(zip(graph.layers, graph.reads, strict=True)):
        for use in uses:
            writer = graph.writer.get(use.key)
            if use.key in graph.offered or (writer is not None and graph.is_ordered(writer, position)):
                continue
            if use.key in OPTIONAL_INPUTS and _is_spared(layer, use):
                continue
            if writer is not None:
                misreads.append(Misread(position, writer, use.field, use.key))
            elif use.key in OPTIONAL_INPUTS:
                faults.append(_not_offered(graph, layer, use))
            elif not is_promised(graph, use.key, position):
                missing.setdefault(use.key, []).append((position, use))
    faults += order_faults(graph.layers, graph.reads, graph.writer, misreads)
    return faults + list(_missing(graph, missing))


def _names(layers: list[DraftLayer]) -> Iterator[Fault]:
    taken = {layer.name for layer in layers}
    numbers: dict[str, Iterator[int]] = {}
    seen: dict[str, DraftLayer] = {}
    for layer in layers:
        if not NAME.fullmatch(layer.name):
            continue  # reported as no name at all
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
        if (twin != position and graph.writes[twin] == uses) or layer.is_misplaced:
            continue  # a layer written twice is reported once, by its name; one without a place may be a change
        own: set[str] = set()
        for field, key in uses:
            owner = graph.writer[key]
            if key in graph.offered or key in OPTIONAL_INPUTS:
                owner = position
                found = f"writes {shorten(repr(key))}, which {ENVIRONMENT} writes"
            elif owner != position or key in own:
                first = graph.layers[owner]
                where = f" (line {first.line})" if first.line else ""
                found = f"writes {shorten(repr(key))}, which layer {first.name!r}{where} writes already"
            else:
                own.add(key)
                continue
            graph.lost.append(Lost(min(owner, position), position, _default(layer, field)))
            place = (field,) if field else ()
            yield layer.fault("GL302", found, f"set {field or 'the output'} to a key of its own", *place)


def _is_spared(layer: DraftLayer, use: Use) -> bool:
    """Whether a layer does without a key where the environment does not offer it."""
    return use.field is not None and declared_keys(type(layer.config))[use.field].if_offered


def _not_offered(graph: Graph, layer: DraftLayer, use: Use) -> Fault:
    offers = ", ".join(graph.env.optional_inputs) if graph.env and graph.env.optional_inputs else "none"
    found = f"reads {use.key!r}, which the environment does not offer (optional inputs it offers: {offers})"
    remedy = "choose an environment that offers it, or read another key"
    return layer.fault("GL503", found, remedy, *((use.field,) if use.field else ()))


def _missing(graph: Graph, missing: dict[str, list[tuple[int, Use]]]) -> Iterator[Fault]:
    """Yield GL304 for keys that nothing writes, less those that a write gone astray was to provide."""
    readers = {key: uses[0][0] for key, uses in missing.items()} if graph.lost else {}
    if len(readers) > MANY:  # which write was to provide which key would take too long to tell
        explained = set(sorted(readers, key=readers.__getitem__)[: len(graph.lost)])
    else:
        doubtful = {key: reader for key, reader in readers.items() if not graph.is_misspelt(key)}
        explained = set(_explained(graph, doubtful))
    for key, uses in missing.items():
        if key in explained:
            continue
        remedy = "see the others"
        if len(missing) <= MANY:
            inputs = {*graph.offered, *OPTIONAL_INPUTS}
            near = [item for item in {*graph.known_keys, *inputs} if item not in inputs or is_slip(key, item)]
            remedy = suggestion(key, sorted(near), f"there are: {graph.names()}")
        for position, use in uses:
            place = (use.field,) if use.field else ()
            yield graph.layers[position].fault(
                "GL304", f"reads {shorten(repr(key))}, which nothing writes", remedy, *place
            )


def _explained(graph: Graph, doubtful: dict[str, int]) -> Iterator[str]:
    """Yield, for each write that was lost, the key that it was most likely to provide: the one read next."""
    left = dict(doubtful)
    for earliest, position, default in sorted(graph.lost, key=lambda lost: -lost.earliest):  # fewest readers first
        candidates = [key for key, reader in left.items() if reader > earliest]
        if candidates:
            best = min(candidates, key=lambda key: (key != default, left[key] <= position, left[key]))
            del left[best]
            yield best


def _lost_keys(layer: DraftLayer) -> Iterator[str | None]:
    """Yield the default of each field that names a key to be written and is at fault, so that the key is not known."""
    specs = declared_keys(type(layer.config)) if layer.config is not None else {}
    for field, spec in specs.items():
        if spec.direction == "write" and getattr(layer.config, field) is UNKNOWN:
            yield _default(layer, field)


def _default(layer: DraftLayer, field: str | None) -> str | None:
    """Return the key that a field names where a policy says none."""
    fields = attrs.fields_dict(type(layer.config)) if field else {}
    default = fields[field].default if field in fields else None
    return default if isinstance(default, str) else None


def is_promised(graph: Graph, key: str, reader: int | None = None) -> bool:
    """Whether a broken layer (before the reader, where it is a layer) may be the one that writes a key."""
    before = len(graph.layers) if reader is None else reader
    return any(position < before and _may_write(graph, layer, position, key) for position, layer in graph.broken)


def _may_write(graph: Graph, layer: DraftLayer, position: int, key: str) -> bool:
    if layer.config is not None:  # of a layer that is known, only fields that it does not have are in doubt
        known = declared_keys(type(layer.config))
        return any(key in _strings(value) for name, value in layer.raw.items() if name not in known)
    said = _said(layer)
    if key in said:
        return True
    # A layer whose kind is not known says by its fields what it writes: a new key, or one that a later layer reads.
    new = {text for text in said if text not in graph.writer and text not in graph.offered}
    later = {use.key for uses in graph.reads[position + 1 :] for use in uses}
    keys = {value for name, value in layer.raw.items() if name.endswith("key") and isinstance(value, str)}
    accounted = layer.role == "layer" and bool(new & (later | keys))
    return not accounted and not graph.is_misspelt(key)


def _said(layer: DraftLayer) -> set[str]:
    return {text for value in layer.raw.values() for text in _strings(value)}


def _strings(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
