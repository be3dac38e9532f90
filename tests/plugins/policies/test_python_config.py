"""A policy as a Python config equals its YAML twin bit for bit."""

import attrs
import torch

import glulam
from tests.plugins.policies.conftest import observe, step_of


def layer(kind, **fields):
    return glulam.registry().layers[kind].load()(**fields)


@attrs.frozen
class Tiny(glulam.PolicyConfig):
    """latent_attn_tiny, attribute by attribute."""

    name: str = "latent_attn_tiny"
    obs_shaper: object = attrs.field(factory=lambda: layer("token_shaper"))
    tokenizer: object = attrs.field(factory=lambda: layer("fourier_tokens", attr_embed_dim=10, num_freqs=4))
    encoder: object = attrs.field(factory=lambda: layer("latent_attention", num_queries=1, num_layers=2, out_dim=128))
    memory: object = attrs.field(factory=lambda: layer("lstm", out_key="remembered", num_layers=2, skip=True))
    activation: object = attrs.field(
        factory=lambda: layer("activation", in_key="remembered", out_key="core", function="relu")
    )
    critic: object = attrs.field(factory=lambda: layer("value_head"))
    action_embedding: object = attrs.field(factory=lambda: layer("action_embedding"))
    actor: object = attrs.field(factory=lambda: layer("bilinear_actor"))
    action_head: object = attrs.field(factory=lambda: layer("action_distribution"))


def test_the_python_config_equals_its_yaml_twin_bit_for_bit(village, tmp_path):
    assert (
        glulam.resolve(Tiny(), env=village).to_mapping() == glulam.resolve("latent_attn_tiny", env=village).to_mapping()
    )
    found = []
    for source in (Tiny(), "latent_attn_tiny"):
        torch.manual_seed(1)
        policy = glulam.build(source, village)
        found.append(policy(step_of(village, 5, torch.Generator().manual_seed(2))))
        glulam.save(policy, tmp_path / "policy.safetensors")
    for key in ("actions", "act_log_prob", "values", "logits"):
        assert torch.equal(found[0][key], found[1][key])
    again = glulam.load(tmp_path / "policy.safetensors")
    assert again.resolved.name == "latent_attn_tiny"


def test_shaper_and_layers_work_with_no_policy_around_them(village):
    config = Tiny()
    shaper = config.obs_shaper.instantiate(village.obs_meta())
    tokenizer = config.tokenizer.instantiate()
    tokenizer.module.initialize_to_environment(village, "cpu")
    td = step_of(village, 4, torch.Generator().manual_seed(2))
    td["env_obs"] = observe(village, 4, torch.Generator().manual_seed(3))
    tokenizer(shaper(td))
    assert td["token_features"].shape == (4, 40, 10 + 16 + 1)
    assert td["token_mask"].dtype == torch.bool
    assert torch.equal(
        td["token_features"][~td["token_mask"]], torch.zeros_like(td["token_features"][~td["token_mask"]])
    )
