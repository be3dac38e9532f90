"""What the resolver returns: complete configs in order of execution, and what is known of each key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from glulam._errors import GlulamError
from glulam.resolver._outline import FORMAT
from glulam.structure import plain_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glulam.config import LossConfig, PolicyConfig
    from glulam.environment import EnvSpec
    from glulam.faults import Fault
    from glulam.resolver._dims import KeyInfo

__all__ = ["ResolvedLayer", "ResolvedPolicy"]


@attrs.frozen
class ResolvedLayer:
    """A layer with a complete config and where it came from (`kind` is `distribution:layer`).

    `share` names the layer whose weights it uses; `raw` holds the fields of a structural config, which declares none.
    """

    name: str
    kind: str | None
    config: Any
    distribution: str | None = None
    version: str | None = None
    share: str | None = None
    raw: Mapping[str, Any] | None = None

    def to_mapping(self) -> dict[str, Any]:
        """Return the layer as an entry of a policy file.

        Raises:
            GlulamError: if no installed distribution registers the config's class, so that no file can name it.
        """
        if self.kind is None:
            msg = (
                f"layer {self.name!r} is a {type(self.config).__name__}, which no installed distribution registers; "
                "give it an entry point in the group 'glulam.layers', so that files can name it"
            )
            raise GlulamError(msg)
        shared = {"share": self.share} if self.share else {}
        fields = plain_fields(self.config) if self.raw is None else dict(self.raw)
        return {"layer": self.kind, "name": self.name} | shared | fields


@attrs.frozen(kw_only=True)
class ResolvedPolicy:
    """A policy that passed every check: complete configs in order of execution, and what is known of each key.

    `custom` holds a config that builds its policy itself; the layers are empty then, and `parts` holds the layer
    configs among its fields. `advice` is what the lints of its plugins say.

    Attributes:
        name: the policy's.
        obs_shaper: the observation shaper; None in a custom policy.
        layers: the layers between, in order of execution.
        action_head: the action head; None in a custom policy.
        keys: dims, dtype and writer of each key.
        env: the environment that it was resolved for, if for one.
        losses: the losses whose keys were proved.
        source: what it was made of, as plain values.
        custom_kind: the registered name of `custom`.
    """

    name: str
    obs_shaper: ResolvedLayer | None
    layers: tuple[ResolvedLayer, ...]
    action_head: ResolvedLayer | None
    keys: Mapping[str, KeyInfo]
    env: EnvSpec | None
    losses: tuple[LossConfig, ...] = ()
    source: Mapping[str, Any] | None = None
    custom: PolicyConfig | None = None
    custom_kind: str | None = None
    parts: tuple[ResolvedLayer, ...] = ()
    advice: tuple[Fault, ...] = ()

    @property
    def all_layers(self) -> tuple[ResolvedLayer, ...]:
        """The observation shaper, the layers and the action head."""
        ends = (self.obs_shaper, self.action_head)
        return tuple(layer for layer in (ends[0], *self.layers, ends[1]) if layer is not None)

    def to_mapping(self) -> dict[str, Any]:
        """Return the complete policy as the mapping of a policy file; resolving it again gives the same.

        Raises:
            GlulamError: if a layer, or the whole policy, is registered by no installed distribution.
        """
        head: dict[str, Any] = {"glulam": FORMAT, "name": self.name}
        if self.custom is not None:
            if self.custom_kind is None:
                msg = f"policy {self.name!r} is not registered under 'glulam.policies', so that no file can name it"
                raise GlulamError(msg)
            fields = plain_fields(self.custom) | {part.name: part.to_mapping() for part in self.parts}
            for part in self.parts:
                del fields[part.name]["name"]  # the field is its name
            return head | {"policy": self.custom_kind, "config": fields}
        if self.obs_shaper is None or self.action_head is None:
            msg = f"policy {self.name!r} has no observation shaper or no action head"
            raise GlulamError(msg)
        return head | {
            "obs_shaper": self.obs_shaper.to_mapping(),
            "layers": [layer.to_mapping() for layer in self.layers],
            "action_head": self.action_head.to_mapping(),
        }
