"""Policies that build themselves, named by a file or given as a config; layer configs may be among their fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from glulam._unknown import UNKNOWN
from glulam.catalog import PluginError
from glulam.faults import Fault, PolicyError, shorten, suggestion
from glulam.keys import FROM_ENV
from glulam.kinds import is_layer
from glulam.resolver._outline import header_faults
from glulam.resolver._resolved import ResolvedLayer, ResolvedPolicy
from glulam.structure import structure_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from glulam.catalog import Registry
    from glulam.config import LossConfig, PolicyConfig
    from glulam.document import Document
    from glulam.environment import EnvSpec
    from glulam.structure import Problem

__all__ = ["custom_policy", "registered_config"]

FIELDS = ("glulam", "name", "policy", "config")


def registered_config(document: Document, registry: Registry) -> PolicyConfig:
    """Return the Python config that a file names by `policy: NAME`, with the fields under `config`.

    Raises:
        PolicyError: with all that is wrong with them.
    """
    faults = [*document.faults, *header_faults(document)]
    for field in document.value:
        if field not in FIELDS:
            remedy = suggestion(str(field), FIELDS, f"remove it; there are: {', '.join(FIELDS)}")
            faults.append(document.fault("GL102", f"unknown field {field!r}", remedy, field, key=True))
    try:
        entry = registry.policies.find(str(document.value["policy"]))
        cls = None if entry.resource else entry.load()
    except PluginError as error:
        raise PolicyError([*faults, document.fault(error.code, error.message, error.remedy, "policy")]) from error
    if cls is None:
        found = document.fault("GL104", "not a Python policy", "write 'extends' for 'policy'", "policy", key=True)
        raise PolicyError([*faults, found])
    fields = document.value.get("config") or {}
    if not isinstance(fields, dict):
        found = document.fault("GL104", f"config is {shorten(repr(fields))}, no mapping", "write its fields", "config")
        raise PolicyError([*faults, found])
    layers = {name: value for name, value in fields.items() if isinstance(value, dict) and "layer" in value}
    made = {name: _layer(document, name, value, registry, faults) for name, value in layers.items()}
    config, problems = structure_fields(cls, fields | made)
    faults += _placed(document, problems, fields, "config")
    if faults or config is None:
        raise PolicyError(faults)
    return config  # type: ignore[no-any-return]


def _layer(document: Document, name: str, value: dict[str, Any], registry: Registry, faults: list[Fault]) -> Any:  # noqa: ANN401 - a layer's config
    """Return the config of a layer that stands in a field of a policy's config."""
    try:
        cls = registry.layers.find(str(value["layer"])).load()
    except PluginError as error:
        faults.append(document.fault(error.code, error.message, error.remedy, "config", name, "layer"))
        return UNKNOWN
    fields = {field: item for field, item in value.items() if field != "layer"}
    config, problems = structure_fields(cls, fields)
    faults += _placed(document, problems, fields, "config", name)
    return UNKNOWN if config is None or problems else config


def _placed(document: Document, problems: Iterable[Problem], fields: Mapping[str, Any], *where: str) -> Iterator[Fault]:
    for problem in problems:
        place = (*where, *problem.place(fields))
        yield document.fault(problem.code, problem.message, problem.remedy, *place, key=problem.at_key)


def custom_policy(
    name: str, config: PolicyConfig, env: EnvSpec | None, losses: tuple[LossConfig, ...], registry: Registry
) -> ResolvedPolicy:
    """Return what can be said of a policy that builds itself: its config, and the layer configs among its fields.

    Raises:
        GlulamError: if a field takes from the environment what that does not have.
    """
    entry = registry.policies.entry_of(type(config))
    config = config if env is None else _in_environment(config, env)
    return ResolvedPolicy(
        name=name, obs_shaper=None, layers=(), action_head=None, keys={}, env=env, losses=losses, custom=config,
        custom_kind=entry.qualified if entry else None, parts=tuple(_parts(config, registry)),
    )  # fmt: skip


def _in_environment(config: Any, env: EnvSpec) -> Any:  # noqa: ANN401 - a policy's config, or a layer's in one
    """Return a config with what its fields, and the layer configs among them, take from the environment."""
    changes = {}
    for field in attrs.fields(type(config)) if attrs.has(type(config)) else ():
        value = getattr(config, field.name)
        if value is None and FROM_ENV in field.metadata:
            changes[field.alias] = env.dim(field.metadata[FROM_ENV])
        elif is_layer(value) and (inner := _in_environment(value, env)) is not value:
            changes[field.alias] = inner
    return attrs.evolve(config, **changes) if changes else config


def _parts(config: PolicyConfig, registry: Registry) -> Iterator[ResolvedLayer]:
    cls: Any = type(config)
    for field in attrs.fields(cls) if attrs.has(cls) else ():
        name, value = field.name, getattr(config, field.name)
        if is_layer(value):
            entry = registry.layers.entry_of(type(value))
            owner = (entry.qualified, value, entry.distribution, entry.version) if entry else (None, value)
            yield ResolvedLayer(name, *owner)
