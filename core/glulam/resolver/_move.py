"""A resolved policy in another environment: the same configs, checked against what that one writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from glulam.document import Document
from glulam.faults import PolicyError
from glulam.resolver._actions import check_actions
from glulam.resolver._draft import DraftLayer
from glulam.resolver._graph import Graph, check_keys
from glulam.resolver._losses import check_losses
from glulam.resolver._shapes import check_shapes

if TYPE_CHECKING:
    from glulam.environment import EnvSpec
    from glulam.resolver._resolved import ResolvedPolicy

__all__ = ["in_environment"]


def in_environment(resolved: ResolvedPolicy, env: EnvSpec) -> ResolvedPolicy:
    """Return what is known of a policy's keys in another environment.

    Raises:
        PolicyError: if its layers do not fit there, such as one that was made for another size of view.
    """
    if resolved.custom is not None:
        return attrs.evolve(resolved, env=env)
    document = Document(value=None, root=resolved.name)
    layers = []
    for layer in resolved.all_layers:
        ends = {"obs_shaper": resolved.obs_shaper, "action_head": resolved.action_head}
        role = next((name for name, end in ends.items() if end is layer), "layer")
        draft = DraftLayer(role, layer.name, (layer.name,), document, (layer.kind or "").rpartition(":")[2])
        draft.config, draft.cls, draft.share = layer.config, type(layer.config), layer.share
        layers.append(draft)
    graph = Graph(layers, env)
    faults = check_keys(graph)
    keys, found = check_shapes(layers, env)
    faults += [*found, *check_actions(layers, keys, env), *check_losses(resolved.losses, graph, keys, document)]
    if faults:
        raise PolicyError(faults)
    return attrs.evolve(resolved, env=env, keys=keys)
