"""Layer configs and policy configs: torch-free, frozen values that say what to build."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - subclasses are attrs classes, whose types are evaluated
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, dataclass_transform, final

import attrs

from glulam.keys import declared_keys, from_env, reads, reads_many, stored, writes

if TYPE_CHECKING:
    from glulam.bound import BoundLayer
    from glulam.experience import Key, TensorSpec
    from glulam.policy import Policy
    from glulam.resolver import ResolvedPolicy

__all__ = [
    "PROTOCOL_VERSION",
    "LayerConfig",
    "LossConfig",
    "ObsShaperConfig",
    "PolicyConfig",
    "layer",
    "layer_config",
    "layer_field",
]

PROTOCOL_VERSION = 1

T = TypeVar("T")


@dataclass_transform(
    kw_only_default=True,
    frozen_default=True,
    field_specifiers=(attrs.field, reads, reads_many, stored, writes, from_env),
)
def layer(cls: type[T]) -> type[T]:
    """Make a class a frozen config with keyword-only fields, some of which name keys."""
    return attrs.frozen(kw_only=True)(cls)


class _Keyed:
    """A config whose fields may name keys."""

    @property
    def in_keys(self) -> list[str]:
        """Keys read, in field order; an optional one that is null is left out."""
        return self._keys("read")

    @property
    def out_keys(self) -> list[str]:
        """Keys written, in field order."""
        return self._keys("write")

    def _keys(self, direction: str) -> list[str]:
        found: list[str] = []
        for name, spec in declared_keys(type(self)).items():
            value = getattr(self, name)
            if spec.direction == direction and value is not None:
                found += value if spec.many else [value]
        return found


class LayerConfig(_Keyed):
    """The base of every layer config: derive, decorate with `layer`, and write `build`."""

    protocol: ClassVar[int] = PROTOCOL_VERSION

    def build(self) -> Any:  # noqa: ANN401 - an nn.Module, which this module must not import
        """Return the module; import what needs torch in here."""
        msg = f"{type(self).__name__} has no build(); return the nn.Module from it"
        raise TypeError(msg)

    @final
    def instantiate(self) -> BoundLayer:
        """Build the module and bind it to its keys: a module that runs alone on a TensorDict."""
        from glulam.bound import bind

        return bind(self, self.build())


class ObsShaperConfig(_Keyed):
    """The base of observation shapers: the one layer that is built from the environment's spec."""

    protocol: ClassVar[int] = PROTOCOL_VERSION

    def build(self, obs_meta: dict[str, Any]) -> Any:  # noqa: ANN401 - an nn.Module
        """Return the module for a world described by `obs_meta` (see `EnvSpec.obs_meta`)."""
        del obs_meta
        msg = f"{type(self).__name__} has no build(obs_meta); return the nn.Module from it"
        raise TypeError(msg)

    @final
    def instantiate(self, obs_meta: dict[str, Any]) -> BoundLayer:
        """Build the module for a world and bind it to its keys."""
        from glulam.bound import bind

        return bind(self, self.build(obs_meta))


class LossConfig(_Keyed):
    """The base of loss configs.

    Key fields declared with `reads` come from `Policy.evaluate`, with gradient; those declared with `stored` come
    from the experience buffer, as they were in the rollout, and carry none.
    """

    protocol: ClassVar[int] = PROTOCOL_VERSION

    @property
    def stored_keys(self) -> list[str]:
        """Keys read from the experience buffer."""
        return self._keys("stored")

    @property
    def computed_keys(self) -> list[str]:
        """Of the stored keys those that the trainer fills in, such as `advantages`."""
        return [getattr(self, name) for name, spec in declared_keys(type(self)).items() if spec.writer == "trainer"]

    @property
    def next_keys(self) -> list[str]:
        """Of the stored keys those that are read of the next step too."""
        return [getattr(self, name) for name, spec in declared_keys(type(self)).items() if spec.next_step]

    def build(self) -> Any:  # noqa: ANN401 - a callable that needs torch
        """Return the loss: a callable `(current, stored) -> (scalar, metrics)`.

        `current` is what `Policy.evaluate` returned, `[B, T]`; `stored` is a TensorDict `[B]` that holds what is
        stored a step as `[B, T, ...]`, that of the next step under `("next", key)`, and what is stored a segment as
        `[B, ...]`. A loss object may have more methods, each called where there is one:

        * `check_settings(settings)`: first of all, to refuse settings of the training by a `GlulamError`;
        * `allow_version_drift()`: next, where checkpoints of other versions of plug-ins are to be accepted;
        * `initialize(policy)`: once, before training, with the policy that is to be trained;
        * `parameters()`: weights of its own, trained with the policy's;
        * `observe(td)`: in each step of the rollout, after the policy has acted, to add the keys that the loss writes
          to the TensorDict `[B]`, which may hold a part of the rows;
        * `start_update(agent_steps)`: before the minibatches of an update, with the agent-steps trained so far;
        * `reset_memory()`: wherever the policy forgets;
        * `counted(stored)`: which steps the loss is a mean over, bool `[B, T]`, where several processes train together;
          left out, those that `valid` marks if the loss reads it, else all;
        * `across_ranks(stored, ranks)`: there too, in each minibatch of every process and before the loss is called, if
          it is: the place for numbers over all of them, by `ranks.moments(tensor)` and `ranks.sum(tensor)`;
        * `state_dict()` and `load_state_dict(state)`: what a resumed run must know, tensors by name.
        """
        msg = f"{type(self).__name__} has no build(); return the loss from it"
        raise TypeError(msg)

    def experience_spec(self) -> dict[Key, TensorSpec]:
        """Return what the loss adds to the experience buffer beside the keys that it names."""
        return {}


class PolicyConfig:
    """A policy as a Python config: `obs_shaper`, one attribute a layer in order of execution, `action_head`.

    A subclass that builds its policy itself overrides `build_policy`; its layers need not be configs then.
    """

    protocol: ClassVar[int] = PROTOCOL_VERSION
    shares: ClassVar[Mapping[str, str]] = {}
    """Layers that use the weights of others: attribute to attribute."""

    name: str

    def build_policy(self, resolved: ResolvedPolicy) -> Policy | None:
        """Return a custom policy for `resolved.env`, or None to have the attributes assembled."""
        del resolved
        return None

    @classmethod
    def is_custom(cls) -> bool:
        """Whether the class builds its policy itself."""
        return cls.build_policy is not PolicyConfig.build_policy


def layer_config(kind: str, **fields: Any) -> Any:  # noqa: ANN401 - a config that another package defines
    """Return the config of an installed layer, by the name that a policy file would use.

    Raises:
        GlulamError: if there is no such layer, saying how to get it.
        TypeError, ValueError: if it has no such field, or refuses the value.
    """
    from glulam.catalog import Registry

    return Registry.installed().layers.find(kind).load()(**fields)


def layer_field(kind: str, **fields: Any) -> Any:  # noqa: ANN401 - a field specifier, as attrs.field is
    """Declare an attribute of a `PolicyConfig` that holds an installed layer's config, made when it is needed.

    Args:
        kind: the name that a policy file would use.
        fields: of the config; a caller who wants others gives another config for the attribute.
    """
    return attrs.field(factory=partial(layer_config, kind, **fields), validator=_is_layer)


def _is_layer(_: object, field: attrs.Attribute[Any], value: object) -> None:
    from glulam.faults import shorten
    from glulam.kinds import is_layer

    if not is_layer(value):
        msg = f"{field.name} is {shorten(repr(value))}, no layer config"
        raise TypeError(msg)
