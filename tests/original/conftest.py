"""A small world, and a small policy of our own layers with a memory that matters."""

import pytest
import torch

import glulam
from tests.plugins.tokens.worlds import world

VILLAGE = world(
    [("ore", 2, 10.0), ("tag", 5, "tag"), ("heart", 12, 100.0)],
    tags=("altar", "mine"),
    actions=("noop", "north", "south", "east"),
    count=12,
)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small tensors are quicker with one thread than with many."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def outline(memory="lstm", **fields):
    """Return a policy as a file holds it; the fields are those of its memory."""
    return {
        "glulam": 1,
        "name": "small",
        "obs_shaper": {"layer": "token_shaper"},
        "layers": [
            {"layer": "fourier_tokens", "attr_embed_dim": 4, "num_freqs": 2},
            {"layer": "latent_attention", "name": "encoder", "in_key": "token_features", "mask_key": "token_mask",
             "out_key": "encoded", "num_queries": 1, "hidden_size": 8, "num_layers": 1, "num_heads": 2, "out_dim": 8},
            {"layer": memory, "name": "memory", "in_key": "encoded", "out_key": "core", "hidden_size": 8} | fields,
            {"layer": "value_head", "name": "critic", "in_key": "core", "hidden_size": 8},
            {"layer": "linear_actor", "name": "actor", "in_key": "core", "init_gain": 1.0},
        ],
        "action_head": {"layer": "action_distribution", "name": "head"},
    }  # fmt: skip


def small(memory="lstm", env=VILLAGE, **fields):
    """Build it, with memory weights so large that a state left standing, lost or swapped is seen at once."""
    torch.manual_seed(3)
    policy = glulam.build(outline(memory, **fields), env, losses=["ppo"])
    with torch.no_grad():
        for weight in policy.layers["memory"].parameters():
            weight.add_(torch.randn_like(weight), alpha=0.5)
    return policy
