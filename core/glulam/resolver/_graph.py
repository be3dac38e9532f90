"""The third pass: who writes and who reads each key, in which order."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import attrs

from glulam.environment import INPUTS, OPTIONAL_INPUTS
from glulam.faults import nearest, suggestion
from glulam.keys import declared_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glulam.catalog import Catalog
    from glulam.environment import EnvSpec
    from glulam.faults import Fault
    from glulam.resolver._draft import DraftLayer

__all__ = ["check_keys", "reads_of", "writes_of"]

ENVIRONMENT = "the environment"


def reads_of(layer: DraftLayer) -> list[tuple[str | None, str]]:
    """Return `(field, key)` for each key that a layer reads; a structural config has no field names."""
    return _keys_of(layer, "read", "in_keys")


def writes_of(layer: DraftLayer) -> list[tuple[str | None, str]]:
    """Return `(field, key)` for each key that a layer writes."""
    return _keys_of(layer, "write", "out_keys")


def _keys_of(layer: DraftLayer, direction: str, attribute: str) -> list[tuple[str | None, str]]:
    if layer.config is None:
        return []
    specs = declared_keys(type(layer.config))
    if not specs:
        return [(None, key) for key in getattr(layer.config, attribute)]
    pairs: list[tuple[str | None, str]] = []
    for field, spec in specs.items():
        value = getattr(layer.config, field)
        if spec.direction == direction and value is not None:
            pairs += [(field, key) for key in (value if spec.many else (value,))]
    return pairs


@attrs.define
class _Graph:
    layers: list[DraftLayer]
    env: EnvSpec | None
    assumed: set[str]
    offered: set[str] = attrs.field(init=False)
    writers: dict[str, list[DraftLayer]] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.offered = set(self.env.inputs if self.env else (*INPUTS, *OPTIONAL_INPUTS))
        for layer in self.layers:
            for _, key in writes_of(layer):
                self.writers.setdefault(key, []).append(layer)


def check_keys(layers: list[DraftLayer], env: EnvSpec | None, catalog: Catalog) -> list[Fault]:
    """Return the faults of names, writers and order (GL301 to GL305, GL503)."""
    graph = _Graph(layers, env, set(_assumed(layers, catalog)))
    return [*_names(layers), *_writes(graph), *_reads(graph)]


def _assumed(layers: Iterable[DraftLayer], catalog: Catalog) -> Iterator[str]:
    """Yield keys that broken layers may write, so that their readers are not reported as well."""
    written: set[str] = set()
    for layer in layers:
        if layer.config is not None:
            own = {key for _, key in writes_of(layer)}
            if own & written:  # reported as GL302; it was to write something else, by default most likely
                yield from _defaults(type(layer.config))
            written |= own
            continue
        yield from (value for value in layer.raw.values() if isinstance(value, str))
        cls = layer.cls
        close = nearest(layer.kind, catalog)
        if cls is None and close and len(catalog.claims(close)) == 1:
            try:
                cls = catalog[close].load()
            except Exception:  # noqa: BLE001, S112 - a guess about a broken layer may fail in silence
                continue
        if isinstance(cls, type):
            yield from _defaults(cls)


def _defaults(cls: type) -> Iterator[str]:
    fields = attrs.fields(cls) if attrs.has(cls) else ()
    keys = declared_keys(cls)
    return (field.default for field in fields if field.name in keys and isinstance(field.default, str))


def _names(layers: list[DraftLayer]) -> Iterator[Fault]:
    counts = Counter(layer.name for layer in layers)
    seen: set[str] = set()
    for layer in layers:
        if layer.name in seen:
            free = next(f"{layer.name}_{n}" for n in range(2, len(layers) + 3) if f"{layer.name}_{n}" not in counts)
            yield layer.fault("GL301", f"a second layer is named {layer.name!r}", f"add 'name: {free}'", "name")
        seen.add(layer.name)


def _writes(graph: _Graph) -> Iterator[Fault]:
    names: set[str] = set()
    for layer in graph.layers:
        if layer.name in names:
            continue  # a layer written twice is reported once, by its name
        names.add(layer.name)
        own: set[str] = set()
        for field, key in writes_of(layer):
            place = (field,) if field else ()
            owners = graph.writers[key]
            if key in graph.offered or key in OPTIONAL_INPUTS or key in INPUTS:
                found = f"writes {key!r}, which {ENVIRONMENT} writes"
            elif owners[0] is not layer or key in own:
                found = f"writes {key!r}, which layer {owners[0].name!r} writes already"
            else:
                own.add(key)
                continue
            field_name = field or "the output"
            yield layer.fault("GL302", found, f"set {field_name} to a key of its own", *place)


def _reads(graph: _Graph) -> Iterator[Fault]:
    available = set(graph.offered)
    for layer in graph.layers:
        for field, key in reads_of(layer):
            if key not in available:
                fault = _missing(graph, layer, field, key, available)
                if fault is not None:
                    yield fault
        available |= {key for _, key in writes_of(layer)}


def _missing(graph: _Graph, layer: DraftLayer, field: str | None, key: str, available: set[str]) -> Fault | None:
    place = (field,) if field else ()
    writer = next(iter(graph.writers.get(key, ())), None)
    if writer is not None:
        found = f"reads {key!r} before layer {writer.name!r} writes it"
        order = _valid_order(graph)
        if order is None:
            remedy = "no order of the layers exists: let one of them read another key"
            return layer.fault("GL305", found, remedy, *place)
        return layer.fault("GL303", found, f"order the layers: {', '.join(order)}", *place)
    if key in graph.assumed:
        return None
    if key in OPTIONAL_INPUTS:
        offers = ", ".join(graph.env.optional_inputs) if graph.env and graph.env.optional_inputs else "none"
        found = f"reads {key!r}, which the environment does not offer (optional inputs it offers: {offers})"
        return layer.fault("GL503", found, "choose an environment that offers it, or read another key", *place)
    found = f"reads {key!r}, which nothing writes"
    known = sorted((available | set(graph.writers)) - {key})
    return layer.fault("GL304", found, suggestion(key, known, f"there are: {', '.join(known)}"), *place)


def _valid_order(graph: _Graph) -> list[str] | None:
    """Return layer names in an order in which each key is written before it is read, close to today's."""
    pending = list(graph.layers)
    done: set[str] = set()
    order: list[DraftLayer] = []
    while pending:
        ready = next((layer for layer in pending if _is_ready(graph, layer, done)), None)
        if ready is None:
            return None
        pending.remove(ready)
        order.append(ready)
        done |= {key for _, key in writes_of(ready)}
    return [layer.name for layer in order if layer.role == "layer"]


def _is_ready(graph: _Graph, layer: DraftLayer, done: set[str]) -> bool:
    return all(key in done or key not in graph.writers for _, key in reads_of(layer))
