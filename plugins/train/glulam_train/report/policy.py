"""The policy of a checkpoint as a table: its layers, what they read and write, and their weights."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import attrs

import glulam
from glulam import GlulamError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from glulam import ResolvedPolicy

__all__ = ["LayerRow", "PolicyTable", "policy_table"]


@attrs.frozen
class LayerRow:
    """A layer: name, kind, the keys that it reads and writes with their shapes, and how many values of it are saved."""

    name: str
    kind: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    values: int


@attrs.frozen
class PolicyTable:
    """The layers of a policy in order of execution, what lints say of it, and why it could not be resolved, if so.

    Attributes:
        layers: a row each.
        advice: of lints, a line each.
        problem: what the resolver said, if it refused.
    """

    layers: tuple[LayerRow, ...]
    advice: tuple[str, ...] = ()
    problem: str | None = None


def policy_table(header: Mapping[str, Any], sizes: Mapping[str, int], losses: Iterable[Any] = ()) -> PolicyTable:
    """Return the table of a checkpoint's policy; without keys where its plug-ins are not there.

    Args:
        header: of the checkpoint.
        sizes: numbers of weights by the name of their tensor.
        losses: what it was trained with, which its advice depends on.
    """
    weights = _weights(sizes)
    try:
        env = glulam.EnvSpec.from_dict(header["environment"], where="checkpoint")
        resolved = glulam.resolve(header["policy"], env=env, losses=losses)
    except GlulamError as error:
        return PolicyTable(tuple(_bare(header["policy"], weights)), problem=str(error).splitlines()[0])
    layers = [*resolved.all_layers, *resolved.parts]
    if not layers:  # a class that builds its modules itself
        return PolicyTable(tuple(LayerRow(name, "", (), (), size) for name, size in weights.items()))
    rows = tuple(
        LayerRow(
            layer.name,
            str(layer.kind),
            tuple(_told(key, resolved) for key in _keys(layer.config, "in_keys")),
            tuple(_told(key, resolved) for key in _keys(layer.config, "out_keys")),
            weights[layer.name],
        )
        for layer in layers
    )
    advice = tuple(f"{fault.code} {fault.message}; {fault.remedy}" for fault in resolved.advice)
    return PolicyTable(rows, advice)


def _weights(sizes: Mapping[str, int]) -> Counter[str]:
    """Return the number of weights of each layer."""
    found: Counter[str] = Counter()
    for name, size in sizes.items():
        found[name.removeprefix("layers.").partition(".")[0]] += size
    return found


def _bare(policy: Mapping[str, Any], weights: Mapping[str, int]) -> Iterable[LayerRow]:
    entries = [policy.get("obs_shaper"), *policy.get("layers", ()), policy.get("action_head")]
    for entry in entries:
        if isinstance(entry, dict):
            name = str(entry.get("name", ""))
            yield LayerRow(name, str(entry.get("layer", "")), (), (), weights.get(name, 0))


def _keys(config: object, name: str) -> Iterable[str]:
    return dict.fromkeys(map(str, getattr(config, name, ())))


def _told(key: str, resolved: ResolvedPolicy) -> str:
    info = resolved.keys.get(key)
    if info is None:
        return key
    dims = "?" if info.dims is None else ", ".join(str(dim).rpartition(".")[2] for dim in info.dims)
    return f"{key} {info.dtype}[{dims}]"
