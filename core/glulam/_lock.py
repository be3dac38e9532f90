"""The lock of a checkpoint: the distributions that supplied its policy, and their versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glulam._errors import GlulamError
from glulam.config import PROTOCOL_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from glulam.catalog import Registry
    from glulam.policy import Policy

__all__ = ["check_lock", "lock_of"]


def lock_of(policy: Policy) -> dict[str, Any]:
    """Return the layer protocol and the distributions that a policy is made of, with their versions here."""
    from glulam._discovery import find_distributions

    installed = {item.name: item.version for item in find_distributions()}
    resolved = policy.resolved
    used = {layer.distribution for layer in (*resolved.all_layers, *resolved.parts) if layer.distribution}
    kind = resolved.custom_kind
    used |= {kind.partition(":")[0]} if kind else set()
    return {"protocol": PROTOCOL_VERSION, "distributions": {name: installed.get(name) for name in sorted(used)}}


def check_lock(path: str | Path, lock: Mapping[str, Any], registry: Registry) -> None:
    """Compare the lock of a file with what is installed.

    Raises:
        GlulamError: if a distribution is blocked, not installed, or there in another version.
    """
    installed = {item.name: item.version for item in registry.distributions}
    wanted: Mapping[str, str] = lock["distributions"]
    missing = [f"{name} {version}, {_why(name, registry)}" for name, version in wanted.items() if name not in installed]
    if missing:
        msg = f"{path} was saved with {'; '.join(missing)}"
        raise GlulamError(msg)
    drift = [f"{name} {version}, here is {installed[name]}" for name, version in wanted.items()
             if version != installed[name]]  # fmt: skip
    if drift:
        remedy = "allow_version_drift, or --allow-version-drift of commands that have it, loads it all the same"
        msg = f"{path} was saved with {'; '.join(drift)} ({remedy})"
        raise GlulamError(msg)


def _why(name: str, registry: Registry) -> str:
    """Return why a distribution is not there, and what to do about it."""
    if any(item.name == name for item in registry.blocked):
        return f"which is blocked: {registry.unblock(name)}"
    known = registry.index.get(name)
    if known is None:
        return "which is not installed"
    return f"which is not installed: pip install {known.source}" + " (in a checkout of glulam)" * known.is_path
