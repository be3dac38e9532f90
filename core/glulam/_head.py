"""How a policy uses its action head, which may be any bound layer with `act` and `score`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from glulam.bound import BoundLayer
    from glulam.environment import EnvSpec

__all__ = ["act", "not_offered", "score"]


def act(head: BoundLayer, outputs: Mapping[str, Tensor], env: EnvSpec) -> dict[str, Tensor]:
    """Return what the head chooses, by key."""
    return dict(zip(head.act_keys, head.module.act(*_arguments(head, outputs, env)), strict=True))  # type: ignore[operator]


def score(head: BoundLayer, outputs: Mapping[str, Tensor], actions: list[Tensor], env: EnvSpec) -> dict[str, Tensor]:
    """Return what the head makes of actions, by key."""
    scored = head.module.score(*_arguments(head, outputs, env), *actions)  # type: ignore[operator]
    return dict(zip(head.score_keys, scored, strict=True))


def not_offered(layer: BoundLayer, env: EnvSpec) -> frozenset[str]:
    """Return the keys that a layer reads only where an environment offers them, and this one does not."""
    return layer.if_offered.difference(env.optional_inputs)


def _arguments(head: BoundLayer, outputs: Mapping[str, Tensor], env: EnvSpec) -> list[Tensor | None]:
    null = {None, *not_offered(head, env)}
    return [None if key in null else outputs[key] for key in head.arguments]  # type: ignore[index]
