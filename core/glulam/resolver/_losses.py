"""Losses: names become configs, and the keys that they need are proven before training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from glulam._guard import PLUGIN_ERRORS
from glulam.catalog import PluginError
from glulam.config import LossConfig
from glulam.faults import Fault, Place, nearest, shorten
from glulam.keys import declared_keys
from glulam.resolver._dims import is_same_dtype
from glulam.resolver._graph import is_promised
from glulam.structure import structure_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glulam.catalog import Registry
    from glulam.document import Document
    from glulam.resolver._dims import KeyInfo
    from glulam.resolver._graph import Graph

__all__ = ["check_losses", "resolve_losses"]


def resolve_losses(
    losses: LossConfig | Iterable[str | Mapping[str, Any] | LossConfig], registry: Registry, document: Document
) -> tuple[tuple[LossConfig, ...], list[Fault]]:
    """Return the configs of losses given by name, as `{loss: NAME, ...fields}` or as configs; and the faults."""
    configs: list[LossConfig] = []
    faults: list[Fault] = []
    for number, loss in enumerate([losses] if isinstance(losses, (str, Mapping, LossConfig)) else losses):
        place = Place(path=f"losses[{number}]", file=document.file)
        if isinstance(loss, LossConfig):
            configs.append(loss)
            continue
        if not isinstance(loss, (str, Mapping)):
            found = f"a loss is a name, a mapping or a LossConfig, found {shorten(repr(loss))}"
            faults.append(Fault(code="GL104", message=found, remedy="name one", place=place))
            continue
        fields = {"loss": loss} if isinstance(loss, str) else dict(loss)
        name = str(fields.pop("loss", ""))
        try:
            cls = registry.losses.find(name).load()
        except PluginError as error:
            faults.append(Fault(code=error.code, message=error.message, remedy=error.remedy, place=place))
            continue
        config, problems = structure_fields(cls, fields)
        faults += [
            Fault(code=found.code, message=f"loss {name!r}: {found.message}", remedy=found.remedy, place=place)
            for found in problems
        ]
        if config is not None and not problems:
            configs.append(config)
    return tuple(configs), faults


def check_losses(
    losses: Iterable[LossConfig], graph: Graph, keys: Mapping[str, KeyInfo], document: Document
) -> Iterator[Fault]:
    """Yield GL501 for each key that a loss needs and nobody writes, GL401 or GL402 for one of another form."""
    yield from _written_twice(losses, graph, document)
    for number, loss in enumerate(losses):
        yield from _unlike(loss, keys, Place(path=f"losses[{number}]", file=document.file))
        specs = declared_keys(type(loss))
        own = {getattr(loss, field) for field, spec in specs.items() if spec.writer != "policy"}
        own |= {*loss.computed_keys, *_own(loss)}
        needed = dict.fromkeys([*loss.in_keys, *loss.stored_keys], "")
        needed |= {key: field for field in specs for key in _names(getattr(loss, field))}
        for key, field in needed.items():
            if key in own:
                continue
            if key not in graph.offered and key not in graph.writer and not is_promised(graph, key):
                what = f" (its {field})" if field else ""
                found = f"loss {type(loss).__name__} needs {key!r}{what}, which nothing writes"
                yield document.fault("GL501", found, _remedy(graph, key, field), "layers", key=True)


def _written_twice(losses: Iterable[LossConfig], graph: Graph, document: Document) -> Iterator[Fault]:
    """Yield GL302 for each key that a loss writes in rollout and something else writes too."""
    owners = dict.fromkeys(graph.offered, "the environment")
    owners |= {key: f"layer {graph.layers[position].name!r}" for key, position in graph.writer.items()}
    for number, loss in enumerate(losses):
        for field, spec in declared_keys(type(loss)).items():
            if spec.writer != "loss":
                continue
            key, name = getattr(loss, field), f"loss {type(loss).__name__}"
            if owners.setdefault(key, f"{name} (its {field})") != f"{name} (its {field})":
                found = f"{name} writes {key!r} (its {field}), which {owners[key]} writes already"
                place = Place(path=f"losses[{number}]", file=document.file)
                yield Fault(code="GL302", message=found, remedy=f"set {field} to another key", place=place)


def _unlike(loss: LossConfig, keys: Mapping[str, KeyInfo], place: Place) -> Iterator[Fault]:
    """Yield the keys that a loss reads in another rank or dtype than that in which they are written."""
    for field, spec in declared_keys(type(loss)).items():
        for key in _names(getattr(loss, field)):
            info, wanted = keys.get(key), spec.shape.split()
            if info is None:
                continue
            what = f"loss {type(loss).__name__} reads {key!r} (its {field}) as"
            if not is_same_dtype(spec.dtype, info.dtype):
                found = f"{what} {spec.dtype}, but {info.writer} writes {info.dtype}"
                yield Fault(code="GL402", message=found, remedy=f"set {field} to another key", place=place)
            elif info.dims is not None and wanted[:1] != ["..."] and len(wanted) != len(info.dims):
                found = f"{what} {len(wanted)} dims a row, but {info.writer} writes {len(info.dims)}"
                yield Fault(code="GL401", message=found, remedy=f"set {field} to another key", place=place)


def _remedy(graph: Graph, key: str, field: str) -> str:
    close = nearest(key, graph.writer)
    if close is None:
        return "let a layer write it, or leave the loss out"
    own = f"write {close!r} for the loss's {field}, or " if field else ""
    return f"{own}let the layer that writes {close!r} write {key!r}"


def _own(loss: LossConfig) -> Iterable[object]:
    """Return the keys that a loss writes itself in rollout; one whose answer is wrong is reported elsewhere."""
    try:
        return tuple(loss.experience_spec())
    except PLUGIN_ERRORS:
        return ()


def _names(value: object) -> Iterable[str]:
    if isinstance(value, str):
        return (value,)
    return value if isinstance(value, tuple) else ()
