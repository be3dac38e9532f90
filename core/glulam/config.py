"""Layer configs and policy configs: torch-free, frozen values that say what to build."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - subclasses are attrs classes, whose types are evaluated
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, dataclass_transform, final

import attrs

from glulam.keys import declared_keys, from_env, reads, reads_many, writes

if TYPE_CHECKING:
    from glulam.bound import BoundLayer
    from glulam.experience import Key, TensorSpec
    from glulam.policy import Policy
    from glulam.resolver import ResolvedPolicy

__all__ = ["PROTOCOL_VERSION", "LayerConfig", "LossConfig", "ObsShaperConfig", "PolicyConfig", "layer"]

PROTOCOL_VERSION = 1

T = TypeVar("T")


@dataclass_transform(
    kw_only_default=True,
    frozen_default=True,
    field_specifiers=(attrs.field, reads, reads_many, writes, from_env),
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
    """The base of loss configs: key fields declared with `reads` come from `Policy.evaluate`, with gradient.

    `stored_keys` are read from the experience buffer; of them, `computed_keys` are filled in by the trainer
    (advantages, returns) and so need no writer.
    """

    protocol: ClassVar[int] = PROTOCOL_VERSION
    stored_keys: ClassVar[tuple[str, ...]] = ()
    computed_keys: ClassVar[tuple[str, ...]] = ()

    def build(self) -> Any:  # noqa: ANN401 - a callable that needs torch
        """Return the loss: a callable `(current, stored) -> (scalar, metrics)` over two TensorDicts."""
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
