"""What a policy and its losses ask the experience buffer to store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from glulam._errors import GlulamError
from glulam.experience import Key, TensorSpec, written_by_loss
from glulam.inputs import INPUTS
from glulam.keys import declared_keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from glulam.config import LossConfig
    from glulam.environment import EnvSpec
    from glulam.policy import Policy

__all__ = ["layer_specs", "loss_specs", "policy_specs"]

SpecOf = tuple[str, "Mapping[Key, TensorSpec]"]


def policy_specs(policy: Policy) -> Iterator[SpecOf]:
    """Yield what `evaluate` needs: inputs, flags, what the head chose, and the state at a segment's start."""
    memories = policy.memory_layers()
    keys = dict.fromkeys([*policy.in_keys, "rewards", "dones", "truncateds"])
    yield "the environment", {key: input_spec(policy.env, key) for key in keys}
    head = policy.action_head
    yield "the action head", {key: key_spec(policy, key) for key in head.act_keys}
    for name, layer in memories.items():
        state: dict[Key, TensorSpec] = {
            (name, key): TensorSpec(spec.shape, _dtype(policy, spec.dtype), per="segment")
            for key, spec in layer.state_spec().items()
        }
        yield f"the memory of layer {name!r}", state


def layer_specs(policy: Policy) -> Iterator[SpecOf]:
    """Yield what layers ask for themselves, in their config or their module."""
    for name, layer in policy.layers.items():
        for source in (layer.config, layer.module):
            spec = getattr(source, "experience_spec", None)
            if spec is not None:
                yield f"layer {name!r}", {key: _in_dtype_of(policy, one) for key, one in spec().items()}


def loss_specs(policy: Policy) -> Iterator[SpecOf]:
    """Yield what each loss reads from the buffer: written in rollout, or filled in by the trainer."""
    for loss in policy.resolved.losses:
        specs: dict[Key, TensorSpec] = {key: TensorSpec((), dtype) for key, dtype in _computed(loss).items()}
        specs |= written_by_loss(loss, policy.env) | loss.experience_spec()
        specs |= {key: key_spec(policy, key) for key in loss.stored_keys if key not in specs}
        yield f"loss {type(loss).__name__}", {key: _in_dtype_of(policy, spec) for key, spec in specs.items()}


def _computed(loss: LossConfig) -> dict[str, str]:
    """Return the keys that the trainer fills in and their dtypes."""
    dtypes = {getattr(loss, field): spec.dtype for field, spec in declared_keys(type(loss)).items()}
    return {key: dtypes.get(key, "float") for key in loss.computed_keys}


def _in_dtype_of(policy: Policy, spec: TensorSpec) -> TensorSpec:
    return attrs.evolve(spec, dtype=_dtype(policy, spec.dtype))


def input_spec(env: EnvSpec, key: str) -> TensorSpec:
    """Return the spec of a key that the environment writes.

    Raises:
        GlulamError: GL503 if it writes no such key.
    """
    inputs = env.inputs
    if key not in inputs:
        msg = f"GL503: environment {env.name!r} does not offer {key!r}; it offers: {', '.join(inputs)}"
        raise GlulamError(msg)
    shape, dtype = inputs[key]
    return TensorSpec(tuple(env.dim(dim.removeprefix("env.")) for dim in shape.split()), dtype)


def key_spec(policy: Policy, key: str) -> TensorSpec:
    """Return the spec of a key that the policy or the environment writes.

    Raises:
        GlulamError: GL501 if nothing writes it, or its shape varies at run time and so cannot be stored.
    """
    if key in INPUTS:
        return input_spec(policy.env, key)
    info = policy.resolved.keys.get(key)
    if info is None:
        return _custom_spec(policy, key)
    dims = tuple(dim for dim in info.dims or () if isinstance(dim, int))
    if info.dims is None or len(dims) != len(info.dims):
        msg = f"GL501: {key!r} cannot be stored: its shape {info.dims} varies at run time"
        raise GlulamError(msg)
    return TensorSpec(dims, _dtype(policy, info.dtype))


def _custom_spec(policy: Policy, key: str) -> TensorSpec:
    """Return the spec of a key of a custom policy, by the convention of the first-party heads."""
    if key not in (*policy.writable_keys(), *policy.action_head.act_keys):
        msg = f"GL501: nothing writes {key!r}, which is to be stored; policy keys: {', '.join(policy.out_keys)}"
        raise GlulamError(msg)
    if key in policy.action_head.acted_keys:
        return TensorSpec(policy.env.actions.shape, policy.env.actions.dtype)
    return TensorSpec((), _dtype(policy, "float"))


def _dtype(policy: Policy, name: str) -> str:
    return str(policy.dtype).removeprefix("torch.") if name == "float" else name
