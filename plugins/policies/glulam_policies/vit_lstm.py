"""`vit_lstm` as a Python config: the worked example of a policy without a YAML file. Imports no torch."""

from __future__ import annotations

from typing import Any

import attrs

import glulam

__all__ = ["VitLstmConfig"]


@attrs.frozen(kw_only=True)
class VitLstmConfig(glulam.PolicyConfig):
    """A small vision transformer over tokens, with a memory; the same policy as `vit_lstm.yaml`, bit for bit.

    The order of the attributes is the order of execution; the names of the attributes are the names of the layers.
    To change a layer, give another config for it: `VitLstmConfig(memory=glulam.layer_config("gru", ...))`.

    Attributes:
        name: the policy's.
        obs_shaper: makes tokens of an observation.
        tokenizer: makes features of tokens.
        latent: reads them into a few latent tokens.
        encoder: self-attention over these.
        critic: the value head.
        action_embedding: a vector an action.
        actor: compares the memory's output with these.
        action_head: draws actions and scores them.
    """

    name: str = "vit_lstm"
    obs_shaper: Any = glulam.layer_field("token_shaper", in_key="env_obs", out_key="tokens", mask_key="token_mask")
    tokenizer: Any = glulam.layer_field(
        "fourier_tokens", in_key="tokens", out_key="token_features", attr_embed_dim=12, num_freqs=6
    )
    latent: Any = glulam.layer_field(
        "latent_attention", in_key="token_features", mask_key="token_mask", out_key="latents",
        num_queries=10, hidden_size=48, num_layers=2, num_heads=4, out_dim=48,
    )  # fmt: skip
    encoder: Any = glulam.layer_field(
        "self_attention", in_key="latents", out_key="encoded", num_layers=4, num_heads=8, out_dim=128
    )
    memory: Any = glulam.layer_field("lstm", in_key="encoded", out_key="core", hidden_size=128, num_layers=2, skip=True)
    critic: Any = glulam.layer_field("value_head", in_key="core", out_key="values", hidden_size=1024, activation="relu")
    action_embedding: Any = glulam.layer_field("action_embedding", embed_dim=16, out_key="action_embedding")
    actor: Any = glulam.layer_field(
        "bilinear_actor", in_key="core", embedding_key="action_embedding", out_key="logits", hidden_size=None
    )
    action_head: Any = glulam.layer_field("action_distribution", in_key="logits")
