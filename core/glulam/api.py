"""`build`: from a source to a policy that is ready to act."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from glulam.assembler import AssembledPolicy
from glulam.catalog import Registry
from glulam.faults import Fault, PolicyError
from glulam.resolver import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import torch

    from glulam.config import LossConfig
    from glulam.environment import EnvSpec
    from glulam.policy import Policy
    from glulam.resolver import Source

__all__ = ["build"]


def build(  # noqa: PLR0913 - each is an independent, named choice
    source: Source,
    env: EnvSpec | str,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    keep: str | Iterable[str] = (),
    losses: LossConfig | Iterable[str | Mapping[str, Any] | LossConfig] = (),
    registry: Registry | None = None,
) -> Policy:
    """Resolve a policy, assemble it, and initialise it to an environment.

    Args:
        source: a name, a path, a mapping, a `PolicyConfig` or a `ResolvedPolicy`.
        env: the environment or its URI.
        device: where the policy runs.
        dtype: of its parameters; torch's default when None.
        keep: intermediate keys that come out too, or `"all"`.
        losses: the loss or losses that the policy is trained with: their keys come out of `evaluate`.
        registry: what is installed; read afresh when None.

    Raises:
        PolicyError: with all faults of the policy.
        GlulamError: if a layer refuses the environment.
    """
    registry = registry or Registry.installed()
    resolved = resolve(source, env=env, losses=losses, registry=registry)
    custom = resolved.custom.build_policy(resolved) if resolved.custom is not None else None
    policy: Policy = custom or AssembledPolicy(resolved)
    if dtype is not None:
        policy.to(dtype)
    policy.initialize_to_environment(policy.env, device)
    policy.keep = keep
    if custom is not None:
        _check_custom(policy)
    _announce(policy, registry)
    return policy


def _announce(policy: Policy, registry: Registry) -> None:
    """Tell the plugins that the policy names that it is built; one whose hook fails is warned of."""
    resolved = policy.resolved
    layers = (*resolved.all_layers, *resolved.parts)
    named = {layer.distribution for layer in layers} | {(resolved.custom_kind or "").partition(":")[0]}
    if not any(entry.distribution in named for name in registry.hooks for entry in registry.hooks.claims(name)):
        return
    from glulam.hooks import call_hooks

    for answer in call_hooks(registry, "glulam_policy_assembled", {name for name in named if name}, policy=policy):
        if answer.error is not None:
            warnings.warn(answer.error.message, stacklevel=3)


def _check_custom(policy: Policy) -> None:
    """Prove the keys of the losses, which nobody could before a custom policy was built."""
    head = policy.action_head
    known = {*policy.writable_keys(), *head.act_keys, *head.score_keys}
    faults = [
        Fault(
            code="GL501",
            message=f"loss {type(loss).__name__} needs {key!r}, which policy {policy.resolved.name!r} does not write",
            remedy=f"name it in the policy's out_keys; there are: {', '.join(sorted(known))}",
        )
        for loss in policy.resolved.losses
        for key in loss.in_keys
        if key not in known
    ]
    if faults:
        raise PolicyError(faults)
