"""A policy class built from layer configs entirely: what no YAML file can say is how it runs them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
from attrs.validators import ge

import glulam

if TYPE_CHECKING:
    from glulam_policies.ensemble_policy import EnsemblePolicy

__all__ = ["EnsembleClassConfig"]


def _layer(kind: str, **fields: Any) -> Any:  # noqa: ANN401 - a field specifier, as attrs.field is
    return attrs.field(factory=partial(glulam.layer_config, kind, **fields))


@attrs.frozen(kw_only=True)
class EnsembleClassConfig(glulam.PolicyConfig):
    """`latent_attn_tiny` with several encoders of one config, started apart, whose mean the memory gets.

    Attributes:
        name: of the policy.
        members: how many encoders there are.
        token_width: of the tokenizer's rows, `attr_embed_dim + 4 * num_freqs + 1`.
    """

    name: str = "ensemble_class"
    members: int = attrs.field(default=3, validator=ge(1))
    obs_shaper: Any = _layer("token_shaper")
    tokenizer: Any = _layer("fourier_tokens", attr_embed_dim=10, num_freqs=4)
    encoder: Any = _layer("latent_attention", in_dim=27, num_queries=1, num_layers=2, out_dim=128)
    memory: Any = _layer("lstm", in_dim=128, out_key="core", num_layers=2, skip=True)
    critic: Any = _layer("value_head", in_dim=128)
    action_embedding: Any = _layer("action_embedding")
    actor: Any = _layer("bilinear_actor", in_dim=128, embed_dim=16)
    action_head: Any = _layer("action_distribution")

    def build_policy(self, resolved: glulam.ResolvedPolicy) -> EnsemblePolicy:
        """Return the policy for the environment of `resolved`."""
        from glulam_policies.ensemble_policy import EnsemblePolicy

        return EnsemblePolicy(resolved, self)
