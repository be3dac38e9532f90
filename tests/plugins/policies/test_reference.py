"""The reference policies against the figures of the original's own code (`tests/vectors/`, equal to 1e-5)."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tensordict import TensorDict

import glulam

VECTORS = Path(__file__).parents[2] / "vectors"
SHAPED = {"fast": "box", "latent_attn_tiny": "token_features"}

ACTIONS = (
    ["noop"]
    + [f"move_{n}" for n in range(8)]
    + [f"rotate_{n}" for n in range(4)]
    + ["put", "get"]
    + [f"attack_{n}" for n in range(9)]
)

SHARED = {f"layers.memory.module.{name}_l{n}": f"lstm.{name}_l{n}"
          for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh") for n in (0, 1)} | {
    "layers.critic.module.hidden.weight": "critic.0.weight",
    "layers.critic.module.hidden.bias": "critic.0.bias",
    "layers.critic.module.out.weight": "critic.2.weight",
    "layers.critic.module.out.bias": "critic.2.bias",
    "layers.action_embedding.module.weight": "action_embedding",
    "layers.actor.module.query": "actor_query.W",
    "layers.actor.module.hidden.weight": "actor.0.weight",
    "layers.actor.module.hidden.bias": "actor.0.bias",
}  # fmt: skip

LATENT = {
    "layers.encoder.module.": "latent.",
    "token_norm": "norm_kv",
    "latent.key": "latent.k_proj",
    "latent.value": "latent.v_proj",
    "latent.norm.": "latent.final_norm.",
    "attention_norm": "norm1",
    "attention_out": "attn_out_proj",
    "query.weight": "q_proj.weight",
    "mlp.0": "norm2",
    "mlp.1": "mlp.0",
    "mlp.3": "mlp.2",
}


def weight_name(ours, name):
    """Return the original's name of one of our weights."""
    if ours in SHARED:
        return SHARED[ours]
    if name == "fast":
        return (
            ours.replace("layers.cnn.module.convolutions.", "conv.")
            .replace("layers.encoder.module.0.", "fc.0.")
            .replace("layers.encoder.module.2.", "fc.1.")
        )
    if "embedding.weight" in ours:
        return "tokenizer.feature_embedding"
    for here, there in LATENT.items():
        ours = ours.replace(here, there)
    return ours


@pytest.fixture(scope="module")
def world():
    """The world of the vectors: 24 features of normalisation 1, 24 actions, a view of 11 x 11."""
    return glulam.EnvSpec(
        name="reference",
        tokens=glulam.TokenLayout(count=200),
        view_height=11,
        view_width=11,
        features=tuple(glulam.Feature(name=f"f{n}", id=n) for n in range(24)),
        actions=glulam.ActionSpec(names=tuple(ACTIONS)),
    )


@pytest.fixture(params=SHAPED)
def reference(request, world):
    """Return `(name, policy with the original's weights, arrays)`; what we changed to make it learn is undone."""
    arrays = np.load(VECTORS / f"{request.param}.npz")
    mapping = glulam.resolve(request.param, env=world).to_mapping()
    next(layer for layer in mapping["layers"] if layer["name"] == "memory")["skip"] = False
    policy = glulam.build(mapping, world)
    state = policy.state_dict()
    weights = {key for key in state if not key.endswith("_extra_state")}
    used = {key: weight_name(key, request.param) for key in weights}
    assert {f"w/{name}" for name in used.values()} == {name for name in arrays.files if name.startswith("w/")}
    policy.load_state_dict(
        state | {key: torch.from_numpy(arrays[f"w/{name}"]).reshape(state[key].shape) for key, name in used.items()}
    )
    return request.param, policy, arrays


def step_of(tokens):
    rows = tokens.shape[0]
    nothing = torch.zeros(rows, dtype=torch.bool)
    return TensorDict(
        {"env_obs": tokens, "env_id": torch.arange(rows), "dones": nothing, "truncateds": nothing}, batch_size=[rows]
    )


def test_outputs_equal_the_original(reference):
    name, policy, arrays = reference
    policy.keep = "all"
    td = policy(step_of(torch.from_numpy(arrays["in/tokens"])))
    scored = policy.evaluate(td)
    # Log-probs and values decide; the encoding, whose numbers are larger, shows where a difference starts.
    encoded = torch.from_numpy(arrays["out/encoded" if name == "fast" else "out/latents"])
    torch.testing.assert_close(td["encoded"], encoded, atol=1e-5, rtol=1e-4)
    for key in ("values", "logits"):
        value = torch.from_numpy(arrays[f"out/{key}"])
        torch.testing.assert_close(td[key], value, atol=1e-5, rtol=0)
        torch.testing.assert_close(scored[key], value, atol=1e-5, rtol=0)
    log_probs = torch.from_numpy(arrays["out/log_probs"])
    torch.testing.assert_close(scored["full_log_probs"], log_probs, atol=1e-5, rtol=0)
    chosen = log_probs.gather(1, td["actions"][:, None])[:, 0]
    torch.testing.assert_close(td["act_log_prob"], chosen, atol=1e-5, rtol=0)


def test_the_comparison_can_fail(reference):
    _, policy, arrays = reference
    with torch.no_grad():
        policy.layers["actor"].module.query.mul_(1.01)
    td = policy(step_of(torch.from_numpy(arrays["in/tokens"])))
    assert (td["logits"] - torch.from_numpy(arrays["out/logits"])).abs().max() > 1e-5


@pytest.mark.parametrize(("name", "count"), [("fast", 573_378), ("latent_attn_tiny", 502_936)])
def test_parameter_counts_equal_the_original_less_its_dead_scalar_bias(name, count, world):
    policy = glulam.build(name, world)
    assert sum(weight.numel() for weight in policy.parameters()) == count - 1
