"""`resolve`: source to `ResolvedPolicy`, all faults at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import attrs

from glulam._errors import GlulamError
from glulam.catalog import Registry
from glulam.config import LossConfig, PolicyConfig
from glulam.document import Document
from glulam.environment import EnvSpec
from glulam.faults import Fault, PolicyError
from glulam.resolver._draft import FORMAT, Draft, DraftLayer, draft_config, draft_document, find_source
from glulam.resolver._graph import check_keys
from glulam.resolver._losses import check_losses, resolve_losses
from glulam.resolver._shapes import KeyInfo, check_shapes
from glulam.resolver._structure import structure_fields, structure_layer

__all__ = ["ResolvedLayer", "ResolvedPolicy", "Source", "resolve"]


@attrs.frozen
class ResolvedLayer:
    """A layer with a complete config and where it came from (`kind` is `distribution:layer`)."""

    name: str
    kind: str | None
    config: Any
    distribution: str | None = None
    version: str | None = None

    def to_mapping(self) -> dict[str, Any]:
        """Return the layer as an entry of a policy file.

        Raises:
            GlulamError: if no installed distribution registers the config's class, so that no file can name it.
        """
        if self.kind is None:
            msg = (
                f"layer {self.name!r} is a {type(self.config).__name__}, which no installed distribution registers; "
                "give it an entry point in the group 'glulam.layers', so that files can name it"
            )
            raise GlulamError(msg)
        return {"layer": self.kind, "name": self.name} | _plain(self.config)


@attrs.frozen(kw_only=True)
class ResolvedPolicy:
    """A policy that passed every check: complete configs in order of execution, and what is known of each key.

    `custom` holds a config that builds its policy itself; the layers are empty then.
    """

    name: str
    obs_shaper: ResolvedLayer | None
    layers: tuple[ResolvedLayer, ...]
    action_head: ResolvedLayer | None
    keys: Mapping[str, KeyInfo]
    env: EnvSpec | None
    losses: tuple[LossConfig, ...] = ()
    source: Mapping[str, Any] | None = None
    custom: PolicyConfig | None = None
    custom_kind: str | None = None

    @property
    def all_layers(self) -> tuple[ResolvedLayer, ...]:
        """The observation shaper, the layers and the action head."""
        ends = (self.obs_shaper, self.action_head)
        return tuple(layer for layer in (ends[0], *self.layers, ends[1]) if layer is not None)

    def to_mapping(self) -> dict[str, Any]:
        """Return the complete policy as the mapping of a policy file; resolving it again gives the same."""
        head: dict[str, Any] = {"glulam": FORMAT, "name": self.name}
        if self.custom is not None:
            if self.custom_kind is None:
                msg = f"policy {self.name!r} is not registered under 'glulam.policies', so that no file can name it"
                raise GlulamError(msg)
            return head | {"policy": self.custom_kind, "config": _plain(self.custom)}
        if self.obs_shaper is None or self.action_head is None:
            msg = f"policy {self.name!r} has no observation shaper or no action head"
            raise GlulamError(msg)
        return head | {
            "obs_shaper": self.obs_shaper.to_mapping(),
            "layers": [layer.to_mapping() for layer in self.layers],
            "action_head": self.action_head.to_mapping(),
        }


Source: TypeAlias = str | Path | Mapping[str, Any] | PolicyConfig | ResolvedPolicy


def resolve(
    source: Source,
    *,
    env: EnvSpec | str | None = None,
    losses: Iterable[str | Mapping[str, Any] | LossConfig] = (),
    registry: Registry | None = None,
) -> ResolvedPolicy:
    """Check a whole policy and return it complete.

    Args:
        source: a registered name, the path of a YAML file, a mapping of the same form, a `PolicyConfig`, or a
            `ResolvedPolicy` (resolved again, for another environment say).
        env: the environment, its URI, or None: what depends on it then stays symbolic.
        losses: losses whose keys the policy must write.
        registry: what is installed; read afresh when None.

    Raises:
        PolicyError: with all faults of the policy.
        GlulamError: if the environment's URI leads nowhere.
    """
    registry = registry or Registry()
    spec = _environment(env, registry)
    if isinstance(source, ResolvedPolicy):
        source = source.custom or source.to_mapping()
    draft = _draft(source, registry)
    wanted, faults = resolve_losses(losses, registry, draft.document)
    faults = [*draft.faults, *faults]
    if draft.custom is not None:
        if faults:
            raise PolicyError(faults)
        return _custom(draft, draft.custom, spec, wanted, registry)
    for layer in draft.layers:
        structure_layer(layer, faults)
    faults += check_keys(draft.layers, spec, registry.layers)
    keys, shape_faults = check_shapes(draft.layers, spec)
    faults += shape_faults
    if all(layer.config is not None for layer in draft.layers):
        faults += check_losses(wanted, set(keys), draft.document)
    if faults:
        raise PolicyError(faults)
    resolved = [_resolved(layer, registry) for layer in draft.layers]
    return ResolvedPolicy(
        name=draft.name,
        obs_shaper=resolved[0],
        layers=tuple(resolved[1:-1]),
        action_head=resolved[-1],
        keys=keys,
        env=spec,
        losses=wanted,
        source=draft.document.value,
    )


def _environment(env: EnvSpec | str | None, registry: Registry) -> EnvSpec | None:
    if env is None or isinstance(env, EnvSpec):
        return env
    from glulam.worlds import environment_spec

    return environment_spec(env, registry=registry)


def _draft(source: Any, registry: Registry) -> Draft:  # noqa: ANN401 - a Source that is no ResolvedPolicy
    if isinstance(source, (str, Path)):
        source = find_source(source, registry)
    if isinstance(source, Mapping):
        source = Document(value=dict(source))
    if isinstance(source, PolicyConfig):
        return draft_config(source)
    if not isinstance(source, Document):
        msg = f"cannot resolve a {type(source).__name__}: give a name, a path, a mapping or a PolicyConfig"
        raise GlulamError(msg)
    if isinstance(source.value, dict) and "policy" in source.value:
        return draft_config(_registered_config(source, registry))
    return draft_document(source, registry)


def _registered_config(document: Document, registry: Registry) -> PolicyConfig:
    """Return the Python config that a file names by `policy: NAME`, with the fields under `config`."""
    found = find_source(str(document.value["policy"]), registry)
    if isinstance(found, Document):
        place = document.place("policy")
        fault = Fault(code="GL104", message="not a Python policy", remedy="name one by its class", place=place)
        raise PolicyError([fault])
    config = structure_fields(type(found), document.value.get("config") or {})
    if isinstance(config, list):
        raise PolicyError(
            Fault(code=code, message=message, remedy=remedy, place=document.place("config", *field, key=key))
            for code, message, remedy, field, key in config
        )
    return config  # type: ignore[no-any-return]


def _custom(
    draft: Draft, config: PolicyConfig, env: EnvSpec | None, losses: tuple[LossConfig, ...], registry: Registry
) -> ResolvedPolicy:
    kind = _registered_name(type(config), registry.policies.values())
    return ResolvedPolicy(
        name=draft.name, obs_shaper=None, layers=(), action_head=None, keys={}, env=env, losses=losses,
        custom=config, custom_kind=kind,
    )  # fmt: skip


def _resolved(layer: DraftLayer, registry: Registry) -> ResolvedLayer:
    kind = layer.entry.qualified if layer.entry else _registered_name(type(layer.config), _entries(registry))
    owner = next((entry for entry in _entries(registry) if entry.qualified == kind), None)
    return ResolvedLayer(
        layer.name, kind, layer.config, owner.distribution if owner else None, owner.version if owner else None
    )


def _entries(registry: Registry) -> Iterable[Any]:
    return (entry for name in registry.layers for entry in registry.layers.claims(name))


def _registered_name(cls: type, entries: Iterable[Any]) -> str | None:
    """Return `distribution:name` of the entry that names a class, without importing anything."""
    value = f"{cls.__module__}:{cls.__qualname__}"
    return next((entry.qualified for entry in entries if entry.point.value == value), None)


def _plain(config: object) -> dict[str, Any]:
    def plain(value: Any) -> Any:  # noqa: ANN401 - any field
        if isinstance(value, tuple):
            return [plain(item) for item in value]
        return value

    fields = attrs.asdict(config)  # type: ignore[arg-type]
    return {name: plain(value) for name, value in fields.items()}
