"""Checkpoints: one portable safetensors file that holds a policy whole, and no pickle.

The header carries one JSON string: the resolved policy and its source, the environment, the name tables of the
layers, a lock of distributions, and a SHA-256 over all of it and the tensors.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import attrs

from glulam._errors import GlulamError
from glulam._header import malformed
from glulam._lock import check_lock, lock_of
from glulam.differences import difference
from glulam.environment import EnvSpec
from glulam.faults import PolicyError, suggestion
from glulam.tensor_file import read_tensors, write_tensors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from torch import Tensor

    from glulam.catalog import Registry
    from glulam.config import LossConfig
    from glulam.policy import Policy

__all__ = ["Checkpoint", "load", "read_checkpoint", "save", "warm_start"]

_EXTRA = "_extra_state"


@attrs.frozen
class Checkpoint:
    """What a checkpoint file holds; `header` is plain JSON."""

    header: dict[str, Any]
    tensors: dict[str, Tensor]

    @property
    def env(self) -> EnvSpec:
        """The environment that the policy was initialised to when it was saved."""
        return EnvSpec.from_dict(self.header["environment"], where="checkpoint")


def save(policy: Policy, path: str | Path) -> None:
    """Write a policy to one file: whole or not at all.

    Args:
        policy: any policy, in the wrapper of `torch.compile` or not; its memory is not saved.
        path: the file, `.safetensors` by custom; an older one is replaced once the new one is complete.

    Raises:
        GlulamError: if the folder cannot be written, or a layer has no name that a file could use.
    """
    policy = _unwrapped(policy)
    tensors, names = _split(policy)
    header = {
        "policy": policy.resolved.to_mapping(),
        "source": _plain(policy.resolved.source),
        "environment": policy.env.obs_meta(),
        "aliases": policy.aliases,
        "names": names,
        "dtype": str(policy.dtype).removeprefix("torch."),
        "lock": lock_of(policy),
    }
    write_tensors(path, header, tensors)


def load(  # noqa: PLR0913 - each is an independent, named choice
    path: str | Path,
    env: EnvSpec | str | None = None,
    *,
    aliases: Mapping[str, str] | None = None,
    learn_names: bool = False,
    only: str | Iterable[str] | None = None,
    losses: LossConfig | Iterable[str | Mapping[str, Any] | LossConfig] = (),
    device: str = "cpu",
    allow_version_drift: bool = False,
    registry: Registry | None = None,
) -> Policy:
    """Rebuild the policy of a checkpoint.

    Args:
        path: the checkpoint.
        env: the world it is to act in; the one it was saved in when None.
        aliases: names of features, tags or actions of `env` that the policy knows by another name, beside those that
            it was saved with; an alias to itself, as `{"metal": "metal"}`, takes a saved one out.
        learn_names: whether features, tags and actions of `env` that the policy does not know get rows of their own,
            to be learned; masked when False.
        only: a layer or layers to take from the checkpoint, for a warm start; the others start anew. All when None.
        losses: losses that it is to be trained with from now on, as `build` takes them.
        device: where it runs.
        allow_version_drift: accept plug-ins of another version than the checkpoint's lock names.
        registry: what is installed; read afresh when None.

    Raises:
        GlulamError: if the file is cut, altered or no checkpoint; if plug-ins are missing or of another version;
            if an alias or a layer is unknown; or if the policy cannot follow the environment. Never an untrained
            policy, unless `only` asks for one.
    """
    import torch

    from glulam.api import build
    from glulam.catalog import Registry

    checkpoint = read_checkpoint(path)
    registry = registry or Registry.installed()
    if not allow_version_drift:
        check_lock(path, checkpoint.header["lock"], registry)
    world = _world(checkpoint, env, registry)
    dtype = getattr(torch, checkpoint.header["dtype"])
    known = checkpoint.header["policy"]
    policy = build(known, checkpoint.env, device=device, dtype=dtype, losses=losses, registry=registry)
    policy.load_state_dict(_fitting(policy, checkpoint, path, only))
    try:
        _settle(policy, world, checkpoint, aliases or {}, learn_names=learn_names)
    except PolicyError as error:
        raise _cannot_follow(path, checkpoint, world, error) from error
    if checkpoint.header.get("source") is not None:
        policy.resolved = attrs.evolve(policy.resolved, source=checkpoint.header["source"])
    return policy


def warm_start(  # noqa: PLR0913 - each is an independent, named choice
    policy: Policy,
    path: str | Path,
    only: str | Iterable[str] | None = None,
    *,
    aliases: Mapping[str, str] | None = None,
    learn_names: bool = True,
    allow_version_drift: bool = False,
    registry: Registry | None = None,
) -> None:
    """Let a policy start from the weights and names of a checkpoint, of the same policy or of another.

    Args:
        policy: built already; layers that are not named stay as they are.
        path: the checkpoint.
        only: a layer or layers that both have, of the same weights; all when None.
        aliases: as in `load`.
        learn_names: as in `load`, but on by default: what starts here is to learn.
        allow_version_drift: as in `load`.
        registry: what is installed; read afresh when None.

    Raises:
        GlulamError: if the file is cut, altered or no checkpoint, a layer is unknown or has other weights there, an
            alias is unknown, or plug-ins are missing or of another version. The policy is as it was then.
    """
    from glulam.catalog import Registry

    policy, checkpoint = _unwrapped(policy), read_checkpoint(path)
    if not allow_version_drift:
        check_lock(path, checkpoint.header["lock"], registry or Registry.installed())
    state = _fitting(policy, checkpoint, path, only)
    before, known = deepcopy(policy.state_dict()), policy.aliases
    try:
        policy.load_state_dict(state)
        _settle(policy, policy.env, checkpoint, aliases or {}, learn_names=learn_names)
    except Exception:
        policy.aliases = known
        policy.load_state_dict(before)
        policy.initialize_to_environment(policy.env, policy.device)
        raise


def _unwrapped(policy: Policy) -> Policy:
    """Return a policy itself; `torch.compile(policy)` puts it behind another name, which would be in every weight's."""
    return getattr(policy, "_orig_mod", policy)


def _cannot_follow(path: str | Path, checkpoint: Checkpoint, world: EnvSpec, error: PolicyError) -> GlulamError:
    """Return the error of a policy whose layers have sizes that another world does not fit."""
    found = difference(checkpoint.env, world)
    if not found:
        return error
    name = checkpoint.header["policy"]["name"]
    return GlulamError(
        f"{path}: policy {name!r} cannot follow to environment {world.name!r}: {found}. "
        f"Layers of it count what has changed; train a new one, or take a policy that reads tokens.\n\n{error}"
    )


def _world(checkpoint: Checkpoint, env: EnvSpec | str | None, registry: Registry) -> EnvSpec:
    from glulam.worlds import environment_spec

    if env is None:
        return checkpoint.env
    return environment_spec(env, registry=registry) if isinstance(env, str) else env


def _settle(
    policy: Policy, world: EnvSpec, checkpoint: Checkpoint, aliases: Mapping[str, str], *, learn_names: bool
) -> None:
    """Map the names just loaded to those of a world."""
    saved: dict[str, str] = checkpoint.header["aliases"]
    known = checkpoint.env.renamed(saved).names | _known_names(policy)
    for alias, name in aliases.items():
        if alias == name and alias in saved:
            continue  # it is taken out, in whatever world
        for place, names, missing in ((f"environment {world.name!r}", world.names, alias), ("policy", known, name)):
            if missing not in names:
                msg = f"alias {alias!r} for {name!r}: the {place} has no {missing!r}; "
                msg += suggestion(missing, sorted(names), f"there are: {', '.join(sorted(names))}")
                raise GlulamError(msg)
    policy.aliases = {alias: name for alias, name in (saved | dict(aliases)).items() if alias != name}
    if learn_names:
        policy.learn_names(world)
    policy.initialize_to_environment(world, policy.device)


def _known_names(policy: Policy) -> set[str]:
    """Return the names in the tables of the layers, those of tags without the feature that they stand under too."""
    reports = policy.each("name_report").values()
    names = {name for report in reports for name in (*report.mapped, *report.absent)}
    return names | {name.rpartition(":")[2] for name in names}


def _fitting(
    policy: Policy, checkpoint: Checkpoint, path: str | Path, only: str | Iterable[str] | None
) -> dict[str, Any]:
    """Return the state of a policy with the checkpoint's weights and names in it, all of them or those of some layers.

    Raises:
        GlulamError: if they do not fit.
    """
    state: dict[str, Any] = dict(checkpoint.tensors) | checkpoint.header["names"]
    expected = _state(policy)
    if only is not None:
        prefixes = tuple(_prefix(policy, name) for name in ([only] if isinstance(only, str) else only))
        state = {name: value for name, value in state.items() if name.startswith(prefixes)}
        expected = {name: value for name, value in expected.items() if name.startswith(prefixes)}
    problems = [
        f"{name}: {list(expected[name].shape)} here, {list(tensor.shape)} in the file"
        for name, tensor in checkpoint.tensors.items()
        if name in expected and expected[name].shape != tensor.shape
    ]
    problems += [f"{name} is not in the file" for name in expected if name not in state]
    problems += [f"{name} is not in the policy" for name in state if name not in expected]
    if problems:
        held, wanted = checkpoint.header["policy"]["name"], policy.resolved.name
        found = difference(checkpoint.env, policy.env)
        reasons = [f"it holds policy {held!r}, this is {wanted!r}"] * (held != wanted) + [found] * bool(found)
        msg = f"{path} does not fit the policy in environment {policy.env.name!r}"
        msg += f" ({'; '.join(reasons)})" * bool(reasons) + ": " + "; ".join(problems[:5])
        raise GlulamError(msg)
    return policy.state_dict() | state


def _prefix(policy: Policy, name: str) -> str:
    """Return what the names of a layer's weights start with."""
    parts: Mapping[str, Any] = policy.layers or dict(policy.named_children())
    if name not in parts:
        msg = f"only: policy {policy.resolved.name!r} has no layer {name!r}; there are: {', '.join(parts)}"
        raise GlulamError(msg)
    shares = {layer.name: layer.share for layer in policy.resolved.layers if layer.share}
    return f"layers.{shares.get(name, name)}." if policy.layers else f"{name}."


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint and verify its checksum, without building anything.

    The checksum is no signature: a file from a stranger may hold anything, so what `save` would not write is refused.

    Raises:
        GlulamError: if the file is missing, cut, altered, or no glulam checkpoint.
    """
    header, tensors = read_tensors(path)
    if "policy" not in header:
        msg = f"{path} holds no policy: name a checkpoint"
        raise GlulamError(msg)
    wrong = next(malformed(header), None)
    if wrong is not None:
        msg = f"{path} is no checkpoint that glulam saved: its {wrong}"
        raise GlulamError(msg)
    return Checkpoint(header, tensors)


def _state(policy: Policy) -> dict[str, Any]:
    """Return the state, what is there under several names under the first of them alone."""
    state = policy.state_dict(keep_vars=True)
    first = {id(value): name for name, value in reversed(state.items())}
    return {name: value for name, value in state.items() if name.endswith(_EXTRA) or first[id(value)] == name}


def _split(policy: Policy) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return tensors and name tables: extra states are plain JSON values, everything else is a tensor.

    What layers share is there once, under its first name.
    """
    state = _state(policy)
    names = {key: value for key, value in state.items() if key.endswith(_EXTRA)}
    tensors = {key: value.detach().cpu().contiguous() for key, value in state.items() if key not in names}
    return tensors, names


def _plain(source: object) -> Any:  # noqa: ANN401 - JSON
    """Return the source as it stood, or None for one that was no mapping."""
    return source if isinstance(source, dict) else None
