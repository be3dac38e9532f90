"""The reference vectors, their weights under the names that our modules use."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

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
