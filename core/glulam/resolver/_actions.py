"""The last pass: what the action head chooses is what the environment takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glulam._unknown import UNKNOWN
from glulam.keys import declared_keys
from glulam.resolver._dims import is_compatible, is_same_dtype

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from glulam.environment import EnvSpec
    from glulam.faults import Fault
    from glulam.resolver._dims import KeyInfo
    from glulam.resolver._draft import DraftLayer

__all__ = ["check_actions"]


def check_actions(layers: Iterable[DraftLayer], keys: Mapping[str, KeyInfo], env: EnvSpec | None) -> Iterator[Fault]:
    """Yield the faults of an action head that is made for another kind of actions (GL401, GL402)."""
    heads = [layer for layer in layers if layer.role == "action_head" and layer.config is not None]
    if env is None:
        return
    for layer in heads:
        for field, spec in declared_keys(type(layer.config)).items():
            key = getattr(layer.config, field)
            info = keys.get(key) if spec.phase == "act" and key is not UNKNOWN else None
            if info is not None and info.writer == layer.name and info.dims is not None:
                yield from _misfit(layer, field, info, env)


def _misfit(layer: DraftLayer, field: str, info: KeyInfo, env: EnvSpec) -> Iterator[Fault]:
    actions = env.actions
    fits = len(info.dims or ()) == len(actions.shape) and all(map(is_compatible, actions.shape, info.dims or ()))
    if fits and is_same_dtype(info.dtype, actions.dtype):
        return
    code = "GL401" if is_same_dtype(info.dtype, actions.dtype) else "GL402"
    found = f"chooses actions as {info.dtype} {_show(info.dims or ())}, but environment {env.name!r} takes "
    found += f"{actions.kind} ones, {actions.dtype} {_show(actions.shape)}"
    yield layer.fault(code, found, f"take an action head for {actions.kind} actions", field)


def _show(dims: Iterable[object]) -> str:
    return "[" + ", ".join(map(str, dims)) + "]"
