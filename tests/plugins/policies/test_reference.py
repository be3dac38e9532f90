"""The reference policies against the figures of the original's own code (`tests/vectors/`, equal to 1e-5)."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tensordict import TensorDict

import glulam
from tests.plugins.policies.oracle import Oracle, Sizes

VECTORS = Path(__file__).parents[2] / "vectors"
# What the original has: parameters at 24 features and 24 actions, and the keys at which its figures meet ours.
HEADS = ["core", "values", "logits"]
POLICIES = {
    "fast": (573_378, ["box", "encoded"]),
    "latent_attn_tiny": (502_936, ["token_features", "encoded"]),
    "latent_attn_small": (501_556, ["token_features", "latents", "encoded"]),
    "latent_attn_med": (528_156, ["token_features", "latents", "encoded"]),
    "vit_lstm": (499_132, ["token_features", "latents", "encoded"]),
}
# The file of latent_attn_med ends before the memory: a file of all its weights would be too large.
TRUNK_ONLY = "latent_attn_med"

PADDING = 0xFF

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
SELF = {"norm": "norm", "query": "q_projs", "key": "k_projs", "value": "v_projs", "attention_out": "out_projs"}
FAST = {"cnn.module.convolutions.": "conv.", "encoder.module.0.": "fc.0.", "encoder.module.2.": "fc.1."}


def weight_name(ours, name):
    """Return the original's name of one of our weights."""
    if ours in SHARED:
        return SHARED[ours]
    if ours == "layers.tokenizer.module.embedding.weight":
        return "tokenizer.feature_embedding"
    if name == "fast":
        return replaced(ours.removeprefix("layers."), FAST)
    layer, rest = ours.removeprefix("layers.").split(".module.")
    if layer == "encoder" and name != "latent_attn_tiny":
        if rest.startswith("layers."):
            _, number, module, kind = rest.split(".")
            return f"self.{SELF[module]}.{number}.{kind}"
        return "self." + rest.replace("norm.", "final_norm.")
    return replaced(f"latent.{rest}", LATENT)


def replaced(text, parts):
    for here, there in parts.items():
        text = text.replace(here, there)
    return text


def arrays_of(name):
    """Return a policy's arrays; where the file ends before the memory, the rest of latent_attn_small's weights.

    Features of padding are set to zero, here and in `first_step`: they are masked, and the original's are what
    bytes of 255 happen to give.
    """
    with np.load(VECTORS / f"{name}.npz") as file:
        arrays = dict(file)
    if "out/token_features" in arrays:
        arrays["out/token_features"][arrays["in/tokens"][..., 0] == PADDING] = 0
    if name == TRUNK_ONLY:
        rest = arrays_of("latent_attn_small")
        arrays |= {f"w/{weight}": rest[f"w/{weight}"] for weight in SHARED.values()}
    return arrays


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Eight rows: more threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


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


@pytest.fixture(scope="module", params=POLICIES)
def reference(request, world):
    """Return `(name, policy with the original's weights, arrays)`; what we changed to make it learn is undone."""
    arrays = arrays_of(request.param)
    mapping = glulam.resolve(request.param, env=world).to_mapping()
    next(layer for layer in mapping["layers"] if layer["name"] == "memory")["skip"] = False
    policy = glulam.build(mapping, world)
    state = policy.state_dict()
    weights = {key for key in state if not key.endswith("_extra_state")}
    used = {key: weight_name(key, request.param) for key in weights}
    assert {f"w/{name}" for name in used.values()} == {name for name in arrays if name.startswith("w/")}
    policy.load_state_dict(
        state | {key: torch.from_numpy(arrays[f"w/{name}"]).reshape(state[key].shape) for key, name in used.items()}
    )
    policy.keep = "all"
    return request.param, policy, arrays


def step_of(tokens):
    rows = tokens.shape[0]
    nothing = torch.zeros(rows, dtype=torch.bool)
    return TensorDict(
        {"env_obs": tokens, "env_id": torch.arange(rows), "dones": nothing, "truncateds": nothing}, batch_size=[rows]
    )


def first_step(policy, arrays):
    """Return the first step of an episode, and its score as training sees it."""
    policy.reset_memory()
    with torch.no_grad():
        td = policy(step_of(torch.from_numpy(arrays["in/tokens"])))
        scored = policy.evaluate(td)
    if "token_features" in td:
        td["token_features"][~td["token_mask"]] = 0
    return td, scored


def assert_equal(found, expected, rtol=0.0):
    torch.testing.assert_close(found, torch.from_numpy(expected).to(found.dtype), atol=1e-5, rtol=rtol)


class TestOutputs:
    def test_they_equal_the_original(self, reference):
        name, policy, arrays = reference
        td, scored = first_step(policy, arrays)
        # Log-probs and values decide; what comes before, whose numbers are larger, shows where a difference starts.
        for key in POLICIES[name][1]:
            # The original calls what latent_attn_tiny's encoder writes latents.
            there = "latents" if (name, key) == ("latent_attn_tiny", "encoded") else key
            assert_equal(td[key], arrays[f"out/{there}"], rtol=1e-4)
        if name == TRUNK_ONLY:
            return
        for key in HEADS:
            assert_equal(td[key], arrays[f"out/{key}"])
            assert_equal(scored[key], arrays[f"out/{key}"])
        log_probs = arrays["out/log_probs"]
        assert_equal(scored["full_log_probs"], log_probs)
        assert_equal(td["act_log_prob"], np.take_along_axis(log_probs, td["actions"].numpy()[:, None], 1)[:, 0])

    def test_they_equal_the_oracle_that_equals_the_original(self, reference, world):
        name, policy, arrays = reference
        weights = {key: value.double().numpy() for key, value in policy.state_dict().items() if torch.is_tensor(value)}
        oracle = Oracle(name, world, Sizes.of(policy.resolved.to_mapping()), weights)
        some = slice(0, 3)  # loops over 200 tokens take their time
        told, _ = oracle.step(arrays["in/tokens"][some])
        td, scored = first_step(policy, arrays)
        for key in (*POLICIES[name][1], *HEADS):
            assert_equal(td[key][some], told[key], rtol=1e-4 if key not in HEADS else 0.0)
        assert_equal(scored["full_log_probs"][some], told["log_probs"])
        for key in arrays.keys() & {f"out/{key}" for key in (*HEADS, "log_probs", "actor_query")}:
            assert_equal(torch.from_numpy(told[key.removeprefix("out/")]), arrays[key][some])

    def test_the_comparison_can_fail(self, reference):
        _, policy, arrays = reference
        before = first_step(policy, arrays)[0]["logits"].numpy()
        query = policy.layers["actor"].module.query
        kept = query.detach().clone()
        with torch.no_grad():
            query.mul_(1.01)
            after = first_step(policy, arrays)[0]["logits"]
            query.copy_(kept)
        with pytest.raises(AssertionError, match="Greatest absolute difference"):
            assert_equal(after, arrays.get("out/logits", before))


@pytest.mark.parametrize("name", POLICIES)
def test_parameter_counts_equal_the_original_less_its_dead_scalar_bias(name, world):
    policy = glulam.build(name, world)
    count = sum(weight.numel() for weight in policy.parameters())
    assert count == POLICIES[name][0] - 1
    assert count == sum(array.size for key, array in arrays_of(name).items() if key.startswith("w/"))
