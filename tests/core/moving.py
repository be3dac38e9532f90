"""A small policy that goes by names, two worlds that share some of them, and steps in either."""

import torch
from tensordict import TensorDict

import glulam

__all__ = ["NAMES", "NEW", "OLD", "observe", "step_in"]

NAMES = """\
glulam: 1
name: names
obs_shaper: {layer: token_shaper}
layers:
  - {layer: fourier_tokens, name: tokenizer, attr_embed_dim: 6, num_freqs: 2}
  - {layer: latent_attention, name: encoder, num_queries: 1, hidden_size: 8, num_layers: 1, num_heads: 2, out_dim: 8}
  - {layer: gru, name: memory, hidden_size: 8}
  - {layer: value_head, name: critic, hidden_size: 8}
  - {layer: linear_actor, name: actor, init_gain: 1.0}
action_head: {layer: action_distribution}
"""

OLD = glulam.EnvSpec(
    name="old",
    tokens=glulam.TokenLayout(count=12),
    view_height=11,
    view_width=11,
    features=(
        glulam.Feature(name="ore", id=2, normalization=10.0),
        glulam.Feature(name="tag", id=5, values="tag"),
        glulam.Feature(name="last_action", id=9, values="action"),
        glulam.Feature(name="heart", id=12),
    ),
    tags=("altar", "mine"),
    actions=glulam.ActionSpec(names=("noop", "north", "south")),
)

# `metal` is what was `ore`; `wind`, `wall` and `jump` are new; `heart`, `altar` and `north` are gone.
NEW = glulam.EnvSpec(
    name="new",
    tokens=glulam.TokenLayout(count=15),
    view_height=11,
    view_width=11,
    features=(
        glulam.Feature(name="tag", id=3, values="tag"),
        glulam.Feature(name="metal", id=4, normalization=10.0),
        glulam.Feature(name="last_action", id=9, values="action"),
        glulam.Feature(name="wind", id=77),
    ),
    tags=("wall", "mine"),
    actions=glulam.ActionSpec(names=("south", "noop", "jump")),
)


def observe(env, rows, seed=0):
    """Return `[rows, tokens, 3]` uint8: tokens of the world's features, in places of its view, and padding."""
    generator = torch.Generator().manual_seed(seed)
    count = env.num_tokens
    places = torch.randint(0, env.view_height, (rows, count), generator=generator) << 4
    places |= torch.randint(0, env.view_width, (rows, count), generator=generator)
    ids = torch.tensor([feature.id for feature in env.features])
    kinds = ids[torch.randint(0, len(ids), (rows, count), generator=generator)]
    values = torch.randint(0, 2, (rows, count), generator=generator)
    obs = torch.stack((places, kinds, values), dim=-1).to(torch.uint8)
    obs[:, -3:] = env.token_layout.padding
    return obs


def step_in(env, rows=4, seed=0):
    """Return one step of a world; no episode ends."""
    nothing = torch.zeros(rows, dtype=torch.bool)
    return TensorDict(
        {
            "env_obs": observe(env, rows, seed),
            "env_id": torch.arange(rows),
            "rewards": torch.zeros(rows),
            "dones": nothing,
            "truncateds": nothing.clone(),
        },
        batch_size=[rows],
    )
