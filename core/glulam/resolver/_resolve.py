"""`resolve`: source to `ResolvedPolicy`, all faults at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from glulam._errors import GlulamError
from glulam.catalog import PluginError, Registry
from glulam.config import LossConfig, PolicyConfig
from glulam.document import Document, mapping_document
from glulam.environment import EnvSpec
from glulam.faults import Fault, Place, PolicyError, in_order
from glulam.resolver._actions import check_actions
from glulam.resolver._custom import custom_policy, registered_config
from glulam.resolver._draft import ROLES, Draft, DraftLayer, draft_config, draft_outline
from glulam.resolver._experience import check_experience
from glulam.resolver._graph import Graph, check_keys
from glulam.resolver._lint import lint
from glulam.resolver._losses import check_losses, resolve_losses
from glulam.resolver._outline import find_source, outline_document
from glulam.resolver._resolved import ResolvedLayer, ResolvedPolicy
from glulam.resolver._shapes import check_shapes
from glulam.resolver._structure import check_shared, structure_layers

if TYPE_CHECKING:
    from glulam.resolver._dims import KeyInfo

__all__ = ["Source", "Survey", "resolve", "survey"]

Source: TypeAlias = str | Path | Mapping[str, Any] | PolicyConfig | ResolvedPolicy


def resolve(
    source: Source,
    *,
    env: EnvSpec | str | None = None,
    losses: LossConfig | Iterable[str | Mapping[str, Any] | LossConfig] = (),
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
        GlulamError: if the environment's URI or spec is wrong.
    """
    found = survey(source, env=env, losses=losses, registry=registry)
    if found.policy is None:
        raise PolicyError(found.faults)
    return found.policy


@attrs.frozen(kw_only=True)
class Survey:
    """All that can be said of a policy, faulty or not; `policy` is None where there are faults.

    The draft's layers are as far as they came; one that a fault stopped may have no config, or `UNKNOWN` in it.
    """

    draft: Draft
    env: EnvSpec | None
    losses: tuple[LossConfig, ...] = ()
    keys: Mapping[str, KeyInfo] = attrs.field(factory=dict)
    faults: tuple[Fault, ...] = ()
    policy: ResolvedPolicy | None = None


def survey(
    source: Source,
    *,
    env: EnvSpec | str | None = None,
    losses: LossConfig | Iterable[str | Mapping[str, Any] | LossConfig] = (),
    registry: Registry | None = None,
) -> Survey:
    """Look at a whole policy as `resolve` does, and return what was found with the faults in it."""
    registry = registry or Registry.installed()
    if isinstance(source, ResolvedPolicy):
        env, losses = env or source.env, losses or source.losses
        source = source.custom or source.to_mapping()
    spec, faults = _environment(env, registry)
    try:
        draft = _draft(source, registry)
    except PolicyError as error:
        name = Path(source).name if isinstance(source, (str, Path)) else "policy"
        lost = Draft(name, Document(None), [], [])
        return Survey(draft=lost, env=spec, faults=in_order([*error.faults, *faults]))
    wanted, loss_faults = resolve_losses(losses, registry, draft.document)
    faults = [*draft.faults, *faults, *loss_faults]
    keys: dict[str, KeyInfo] = {} if draft.custom is not None else _check(draft, spec, wanted, faults)
    found = Survey(draft=draft, env=spec, losses=wanted, keys=keys, faults=in_order(faults))
    return found if faults else attrs.evolve(found, policy=_policy(found, registry))


def _policy(found: Survey, registry: Registry) -> ResolvedPolicy:
    """Return the resolved policy of a survey without faults."""
    draft = found.draft
    if draft.custom is not None:
        return custom_policy(draft.name, draft.custom, found.env, found.losses, registry)
    resolved = [_resolved(layer) for layer in draft.layers]
    policy = ResolvedPolicy(
        name=draft.name, obs_shaper=resolved[0], layers=tuple(resolved[1:-1]), action_head=resolved[-1],
        keys=found.keys, env=found.env, losses=found.losses, source=draft.document.value,
    )  # fmt: skip
    return attrs.evolve(policy, advice=lint(draft, policy, registry))


def _check(
    draft: Draft, env: EnvSpec | None, losses: tuple[LossConfig, ...], faults: list[Fault]
) -> dict[str, KeyInfo]:
    """Complete the layers of a draft, adding what is wrong with them to the faults; return the keys."""
    if not draft.is_whole:
        return {}
    structure_layers(draft.layers, faults)
    layers = _with_lost(draft)
    graph = Graph(layers, env)
    faults += check_keys(graph)
    keys, found = check_shapes(layers, env)
    faults += [*found, *check_shared(draft.layers), *check_losses(losses, graph, keys, draft.document)]
    faults += check_actions(layers, keys, env)
    faults += check_experience(draft.layers, losses, keys, env)
    return keys


def _with_lost(draft: Draft) -> list[DraftLayer]:
    """Return the layers with a broken one for each end that is not there and for layers that were lost."""
    there = {layer.role for layer in draft.layers}
    roles = [role for role in ROLES if (draft.has_lost if role == "layer" else role not in there)]
    lost = [DraftLayer(role, "", (), Document(None), is_broken=True) for role in roles]
    return sorted([*lost, *draft.layers], key=lambda layer: ROLES.index(layer.role))


def _environment(env: EnvSpec | str | None, registry: Registry) -> tuple[EnvSpec | None, list[Fault]]:
    """Return the environment, or the fault of one whose plugin is not to be had: the policy is checked all the same."""
    if env is None or isinstance(env, EnvSpec):
        return env, []
    from glulam.worlds import environment_spec

    place = Place(path="env")
    try:
        return environment_spec(env, registry=registry), []
    except PluginError as error:
        return None, [Fault(code=error.code, message=error.message, remedy=error.remedy, place=place)]
    except PolicyError as error:  # of a file that holds a spec
        return None, list(error.faults)
    except GlulamError as error:
        return None, [Fault(code="GL104", message=str(error), remedy="name another, or mend it", place=place)]


def _draft(source: Any, registry: Registry) -> Draft:  # noqa: ANN401 - a Source that is no ResolvedPolicy
    if isinstance(source, (str, Path)):
        source = find_source(source, registry)
    if isinstance(source, Mapping):
        source = mapping_document(source)
    if isinstance(source, PolicyConfig):
        return draft_config(source, registry)
    if not isinstance(source, Document):
        msg = f"cannot resolve a {type(source).__name__}: give a name, a path, a mapping or a PolicyConfig"
        raise GlulamError(msg)
    if isinstance(source.value, dict) and "policy" in source.value:
        draft = draft_config(registered_config(source, registry), registry)
        draft.name = source.value.get("name", draft.name)
        return draft
    return draft_outline(outline_document(source, registry), registry)


def _resolved(layer: DraftLayer) -> ResolvedLayer:
    entry = layer.entry
    if entry is None:
        return ResolvedLayer(layer.name, None, layer.config, share=layer.share)
    raw = None if attrs.has(type(layer.config)) else layer.raw
    return ResolvedLayer(layer.name, entry.qualified, layer.config, entry.distribution, entry.version, layer.share, raw)
