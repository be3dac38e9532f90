"""The reference vectors, their weights under the names that our modules use; and a policy around one layer."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import numpy as np
import pytest
import torch

import glulam
from glulam import ActionSpec, EnvSpec, TokenLayout

VECTORS = Path(__file__).parents[2] / "vectors"

RENAMED = {
    "latent": {
        "norm_kv": "token_norm",
        "k_proj": "key",
        "v_proj": "value",
        "final_norm": "norm",
        "q_proj": "query",
        "attn_out_proj": "attention_out",
        "norm1": "attention_norm",
        "norm2": "mlp.0",
        "mlp.0": "mlp.1",
        "mlp.2": "mlp.3",
    },
    "self": {
        "norm": "norm",
        "q_projs": "query",
        "k_projs": "key",
        "v_projs": "value",
        "out_projs": "attention_out",
    },
}


def _latent_name(name):
    """`layers.0.q_proj.weight` -> `layers.0.query.weight`."""
    match = re.fullmatch(r"(layers\.\d+\.)?(.*?)(\.weight|\.bias)?", name)
    layer, module, parameter = (part or "" for part in match.groups())
    return layer + RENAMED["latent"].get(module, module) + parameter


def _self_name(name):
    """`q_projs.0.weight` -> `layers.0.query.weight`."""
    module, *rest = name.split(".")
    if module in RENAMED["self"]:
        return f"layers.{rest[0]}.{RENAMED['self'][module]}.{rest[1]}"
    return name.replace("final_norm", "norm")


@pytest.fixture(scope="session")
def vectors():
    """Arrays of a reference policy by name, and its weights for our two modules."""

    def load(policy):
        with np.load(VECTORS / f"{policy}.npz") as file:
            arrays = {name: torch.from_numpy(file[name]) for name in file.files}
        state = {"latent": {}, "self": {}}
        for name, array in arrays.items():
            for module, rename in (("latent", _latent_name), ("self", _self_name)):
                prefix = f"w/{module}."
                if name.startswith(prefix):
                    state[module][rename(name.removeprefix(prefix))] = array
        return arrays, state

    return load


@glulam.layer
class _Shaper(glulam.ObsShaperConfig):
    """A set of any size with its mask, and a set of a fixed size."""

    in_key: str = glulam.reads("env_obs", dtype="uint8", shape="env.num_tokens env.token_columns")
    out_key: str = glulam.writes("tokens", shape="N 6")
    mask_key: str = glulam.writes("token_mask", dtype="bool", shape="N")
    latents_key: str = glulam.writes("latents", shape="5 8")


@glulam.layer
class _Head(glulam.LayerConfig):
    in_key: str = glulam.reads("encoded")
    out_key: str = glulam.writes("actions", dtype="int64", shape="", phase="act")
    log_prob_key: str = glulam.writes("act_log_prob", shape="")


@pytest.fixture(scope="session")
def resolved():
    """Return a function: a layer's config to the same in a resolved policy, and the dims that it writes."""

    def run(config):
        namespace = {"obs_shaper": _Shaper(), "layer": config, "action_head": _Head()}
        annotated = {"__annotations__": dict.fromkeys(namespace, object), **namespace, "name": "test"}
        cls = attrs.frozen(type("Policy", (glulam.PolicyConfig,), annotated))
        actions = ActionSpec(names=("noop",))
        layout = TokenLayout(count=5)
        env = EnvSpec(name="world", tokens=layout, view_height=3, view_width=3, features=(), actions=actions)
        policy = glulam.resolve(cls(), env=env)
        return policy.layers[-1].config, policy.keys["encoded"].dims

    return run
