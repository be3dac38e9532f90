"""How a policy uses its action head, which may be any bound layer with `act` and `score`, and what comes out then."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import torch
    from torch import Tensor

    from glulam.bound import BoundLayer
    from glulam.environment import EnvSpec
    from glulam.resolver import ResolvedPolicy

__all__ = ["Outlet", "not_offered", "spread"]


def not_offered(layer: BoundLayer, env: EnvSpec) -> frozenset[str]:
    """Return the keys that a layer reads only where an environment offers them, and this one does not."""
    return layer.if_offered.difference(env.optional_inputs)


class Outlet(NamedTuple):
    """A policy's action head in one world, and the keys that come out of the policy.

    Attributes:
        head: the action head.
        arguments: the keys that it reads, None for what it has to do without.
        acted: what acting gives out, each key with whether all rows share its tensor.
        followed: what following another policy gives out.
        evaluated: what evaluation gives out; what is not there at the time is left out.
    """

    head: BoundLayer
    arguments: tuple[str | None, ...]
    acted: tuple[tuple[str, bool], ...]
    followed: tuple[tuple[str, bool], ...]
    evaluated: tuple[tuple[str, bool], ...]

    @classmethod
    def of(
        cls, head: BoundLayer, env: EnvSpec, resolved: ResolvedPolicy, acting: Iterable[str], evaluating: Iterable[str]
    ) -> Outlet:
        """Return the outlet of a policy that keeps some keys beside the head's in acting, and some in evaluation."""
        null = not_offered(head, env)
        infos = resolved.keys
        acted, followed, evaluated = (
            tuple((key, key in infos and not infos[key].batched) for key in dict.fromkeys([*of_head, *kept]))
            for of_head, kept in ((head.act_keys, acting), (head.score_keys, acting), (head.score_keys, evaluating))
        )
        arguments = tuple(None if key in null else key for key in head.arguments)
        return cls(head, arguments, acted, followed, evaluated)

    def act(self, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what the head chooses, by key."""
        chosen = self.head.module.act(*self._read(outputs))  # type: ignore[operator]
        return dict(zip(self.head.act_keys, chosen, strict=True))

    def score(self, outputs: Mapping[str, Tensor], actions: list[Tensor]) -> dict[str, Tensor]:
        """Return what the head makes of actions, by key."""
        scored = self.head.module.score(*self._read(outputs), *actions)  # type: ignore[operator]
        return dict(zip(self.head.score_keys, scored, strict=True))

    def _read(self, outputs: Mapping[str, Tensor]) -> list[Tensor | None]:
        return [None if key is None else outputs[key] for key in self.arguments]


def spread(
    outputs: Mapping[str, Tensor], keys: Iterable[tuple[str, bool]], batch: torch.Size
) -> list[tuple[str, Tensor]]:
    """Return flat tensors with the batch dims of the caller; one that all rows share is repeated."""
    flat = len(batch) == 1
    found = []
    for key, shared in keys:
        value = outputs.get(key)
        if value is not None:
            if shared:
                value = value.expand(*batch, *value.shape)
            elif not flat:
                value = value.view(*batch, *value.shape[1:])
            found.append((key, value))
    return found
