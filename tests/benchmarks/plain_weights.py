"""A plain policy with the world and the weights of one of ours."""

import torch

from tests.benchmarks.plain import World, plain_policy

__all__ = ["our_names", "plain_twin", "world_of"]

# Parts of the plain policies, and what they are in ours: a layer, then a part of its module.
HEADS = {
    "memory.lstm.": "memory:",
    "critic.0.": "critic:hidden.",
    "critic.2.": "critic:out.",
    "actor.0.": "actor:hidden.",
    "query": "actor:query",
    "actions": "action_embedding:weight",
}
FAST = {
    "encoder.convolutions.0.": "cnn:convolutions.0.",
    "encoder.convolutions.2.": "cnn:convolutions.1.",
    "encoder.linears.": "encoder:",
}
TOKENS = {"encoder.tokens.embedding.": "tokenizer:embedding."}
TINY = TOKENS | {"encoder.latent.": "encoder:"}
SETS = TOKENS | {"encoder.latent.": "latent:", "encoder.attention.": "encoder:"}
PARTS = {
    "fast": FAST | HEADS,
    "latent_attn_tiny": TINY | HEADS,
    "latent_attn_small": SETS | HEADS,
    "latent_attn_med": SETS | HEADS,
    "vit_lstm": SETS | HEADS,
}


def our_names(name, plain):
    """Return what each weight of a plain policy is called in ours, `{its name: our name}`."""
    return {weight: our_name(weight, PARTS[name]) for weight, _ in plain.named_parameters()}


def our_name(weight, parts):
    """Return what a weight of a plain policy is called in ours."""
    part = next(part for part in parts if weight.startswith(part))
    layer, _, inside = parts[part].partition(":")
    return f"layers.{layer}.module.{inside}{weight.removeprefix(part)}".replace(".blocks.", ".layers.")


def world_of(env):
    """Return what a plain policy has to know of an environment spec."""
    sizes = {"tag": len(env.tags), "action": len(env.actions.names)}
    return World(
        height=env.view_height,
        width=env.view_width,
        num_actions=env.num_actions,
        amounts={feature.id: feature.normalization for feature in env.features if feature.values == "number"},
        categories={feature.id: sizes[feature.values] for feature in env.features if feature.values != "number"},
        global_location=env.token_layout.global_location,
        padding=env.token_layout.padding,
    )


def plain_twin(policy):
    """Return the plain form of a policy as built for its world, with copies of its weights."""
    name = policy.resolved.name
    plain = plain_policy(name, world_of(policy.env)).to(policy.dtype)
    ours, theirs = dict(policy.named_parameters()), dict(plain.named_parameters())
    names = our_names(name, plain)
    if sorted(names.values()) != sorted(ours):
        missing = sorted(set(ours).symmetric_difference(names.values()))
        msg = f"{name}: {missing} are not in both"
        raise ValueError(msg)
    with torch.no_grad():
        for weight, our in names.items():
            theirs[weight].copy_(ours[our].view_as(theirs[weight]))
    return plain
