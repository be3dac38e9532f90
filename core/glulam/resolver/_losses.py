"""Losses: names become configs, and the keys that they need are proven before training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from glulam.catalog import PluginError
from glulam.config import LossConfig
from glulam.faults import Fault, Place, nearest, shorten
from glulam.keys import declared_keys
from glulam.resolver._graph import is_promised
from glulam.structure import structure_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glulam.catalog import Registry
    from glulam.document import Document
    from glulam.resolver._graph import Graph

__all__ = ["check_losses", "resolve_losses"]


def resolve_losses(
    losses: Iterable[str | Mapping[str, Any] | LossConfig], registry: Registry, document: Document
) -> tuple[tuple[LossConfig, ...], list[Fault]]:
    """Return the configs of losses given by name, as `{loss: NAME, ...fields}` or as configs; and the faults."""
    configs: list[LossConfig] = []
    faults: list[Fault] = []
    for number, loss in enumerate([losses] if isinstance(losses, str) else losses):
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


def check_losses(losses: Iterable[LossConfig], graph: Graph, document: Document) -> Iterator[Fault]:
    """Yield GL501 for each key that a loss needs and that neither policy nor environment nor trainer writes."""
    for loss in losses:
        needed = {key: field for field in declared_keys(type(loss)) for key in _names(getattr(loss, field))}
        needed |= {key: "" for key in loss.stored_keys if key not in {*loss.computed_keys, *needed}}
        for key, field in needed.items():
            if key not in graph.offered and key not in graph.writer and not is_promised(graph, key):
                what = f" (its {field})" if field else ""
                found = f"loss {type(loss).__name__} needs {key!r}{what}, which nothing writes"
                yield document.fault("GL501", found, _remedy(graph, key, field), "layers", key=True)


def _remedy(graph: Graph, key: str, field: str) -> str:
    close = nearest(key, graph.writer)
    if close is None:
        return "let a layer write it, or leave the loss out"
    own = f"write {close!r} for the loss's {field}, or " if field else ""
    return f"{own}let the layer that writes {close!r} write {key!r}"


def _names(value: object) -> Iterable[str]:
    if isinstance(value, str):
        return (value,)
    return value if isinstance(value, tuple) else ()
