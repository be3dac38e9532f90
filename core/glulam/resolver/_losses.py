"""Losses: names become configs, and the keys that they need are proven before training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glulam.catalog import PluginError
from glulam.config import LossConfig
from glulam.faults import Fault, Place, suggestion
from glulam.keys import declared_keys
from glulam.resolver._graph import is_promised
from glulam.structure import structure_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

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
    for number, loss in enumerate(losses):
        place = Place(path=f"losses[{number}]", file=document.file)
        if isinstance(loss, LossConfig):
            configs.append(loss)
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
        needed |= {key: key for key in loss.stored_keys if key not in loss.computed_keys}
        for key, field in needed.items():
            if key not in graph.offered and key not in graph.writer and not is_promised(graph, key):
                found = f"loss {type(loss).__name__} needs {key!r} (its {field}), which nothing writes"
                remedy = suggestion(key, sorted(graph.writer), "let a layer write it, or leave the loss out")
                yield document.fault("GL501", found, remedy, "layers", key=True)


def _names(value: object) -> Iterable[str]:
    if isinstance(value, str):
        return (value,)
    return value if isinstance(value, tuple) else ()
