"""A policy class built from layer configs entirely: what no YAML file can say is how it runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from attrs.validators import ge

import glulam

if TYPE_CHECKING:
    from glulam_policies.ensemble_policy import EnsemblePolicy

__all__ = ["EnsembleClassConfig"]


@attrs.frozen(kw_only=True)
class EnsembleClassConfig(glulam.PolicyConfig):
    """`latent_attn_tiny` with several encoders of one config, started apart, whose mean the memory gets.

    The layers are fields, so that another config may be given for each; a checkpoint keeps them.

    Attributes:
        name: of the policy.
        members: how many encoders there are.
        obs_shaper: makes tokens of an observation.
        tokenizer: makes features of tokens.
        encoder: the config that each encoder is built from.
        critic: the value head.
        action_embedding: a vector an action.
        actor: compares the mean with these.
        action_head: draws actions and scores them.
    """

    name: str = "ensemble_class"
    members: int = attrs.field(default=3, validator=ge(1))
    obs_shaper: Any = glulam.layer_field("token_shaper")
    tokenizer: Any = glulam.layer_field("fourier_tokens", attr_embed_dim=10, num_freqs=4)
    encoder: Any = glulam.layer_field(
        "latent_attention", in_dim=10 + 4 * 4 + 1, num_queries=1, num_layers=2, out_dim=128
    )
    memory: Any = glulam.layer_field("lstm", in_dim=128, out_key="core", num_layers=2, skip=True)
    critic: Any = glulam.layer_field("value_head", in_dim=128)
    action_embedding: Any = glulam.layer_field("action_embedding", embed_dim=16)
    actor: Any = glulam.layer_field("bilinear_actor", in_dim=128, embed_dim=16)
    action_head: Any = glulam.layer_field("action_distribution")

    def build_policy(self, resolved: glulam.ResolvedPolicy) -> EnsemblePolicy:
        """Return the policy for the environment of `resolved`."""
        from glulam_policies.ensemble_policy import EnsemblePolicy

        return EnsemblePolicy(resolved, self)
