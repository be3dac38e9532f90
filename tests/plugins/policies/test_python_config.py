"""A policy as a Python config equals its YAML twin bit for bit."""

import attrs
import pytest
import torch

import glulam
from glulam import layer_config
from glulam_policies.vit_lstm import VitLstmConfig
from tests.plugins.policies.conftest import observe, step_of


@attrs.frozen
class Tiny(glulam.PolicyConfig):
    """latent_attn_tiny, attribute by attribute."""

    name: str = "latent_attn_tiny"
    obs_shaper: object = glulam.layer_field("token_shaper")
    tokenizer: object = glulam.layer_field("fourier_tokens", attr_embed_dim=10, num_freqs=4)
    encoder: object = glulam.layer_field("latent_attention", num_queries=1, num_layers=2, out_dim=128)
    memory: object = glulam.layer_field("lstm", out_key="remembered", num_layers=2, skip=True)
    activation: object = glulam.layer_field("activation", in_key="remembered", out_key="core", function="relu")
    critic: object = glulam.layer_field("value_head")
    action_embedding: object = glulam.layer_field("action_embedding")
    actor: object = glulam.layer_field("bilinear_actor")
    action_head: object = glulam.layer_field("action_distribution")


TWINS = {"latent_attn_tiny": Tiny, "vit_lstm": VitLstmConfig}


@pytest.mark.parametrize("name", TWINS)
def test_the_python_config_equals_its_yaml_twin_bit_for_bit(name, village, tmp_path):
    config = TWINS[name]()
    for env in (None, village):
        assert glulam.resolve(config, env=env).to_mapping() == glulam.resolve(name, env=env).to_mapping()
    found, weights, bits = [], [], []
    for source in (config, name):
        torch.manual_seed(1)
        policy = glulam.build(source, village)
        weights.append(policy.state_dict())
        found.append(policy(step_of(village, 5, torch.Generator().manual_seed(2))))
        bits.append(torch.rand(3))  # both have drawn as often
        glulam.save(policy, tmp_path / "policy.safetensors")
    assert weights[0].keys() == weights[1].keys()
    for key in ("actions", "act_log_prob", "values", "logits"):
        assert torch.equal(found[0][key], found[1][key])
    assert torch.equal(*bits)
    again = glulam.load(tmp_path / "policy.safetensors")
    assert again.resolved.name == name


class TestVitLstmConfig:
    """The worked example: what a user does with it."""

    @pytest.mark.parametrize(
        ("changes", "code", "path", "words"),
        [
            ({"critic": layer_config("value_head", in_key="cor")}, "GL304", "critic.in_key", "write 'core'"),
            (
                {"memory": layer_config("lstm", in_key="latents", out_key="core")},
                "GL401",
                "memory.in_key",
                "reads 'latents' as [in_dim], but latent writes [10, 48]",
            ),
            (
                {"encoder": layer_config("self_attention", out_key="encoded", num_heads=7)},
                "GL403",
                "encoder.num_heads",
                "in_dim 48 is not divisible by num_heads 7",
            ),
            ({"action_head": layer_config("gaussian_distribution")}, "GL402", "action_head.actions_key", "discrete"),
        ],
    )
    def test_a_mistake_is_reported_at_its_attribute_and_alone(self, village, changes, code, path, words):
        with pytest.raises(glulam.PolicyError) as caught:
            glulam.resolve(VitLstmConfig(**changes), env=village)
        (fault,) = caught.value.faults
        assert (fault.code, fault.place.path) == (code, f"VitLstmConfig.{path}")
        assert fault.layer == path.partition(".")[0]
        assert words in str(caught.value)

    def test_what_is_no_layer_config_is_refused_at_once(self):
        with pytest.raises(TypeError, match="memory is 'gru', no layer config"):
            VitLstmConfig(memory="gru")

    def test_a_layer_is_changed_by_another_config(self, village):
        gru = layer_config("gru", out_key="core", hidden_size=16)
        policy = glulam.build(VitLstmConfig(name="mine", memory=gru), village)
        mapping, plain = policy.resolved.to_mapping(), glulam.resolve("vit_lstm", env=village).to_mapping()
        different = [one["name"] for one, other in zip(mapping["layers"], plain["layers"], strict=True) if one != other]
        assert different == ["memory", "critic", "actor"]
        assert [layer["in_dim"] for layer in mapping["layers"] if layer["name"] in ("critic", "actor")] == [16, 16]
        assert policy(step_of(village, 3, torch.Generator().manual_seed(2)))["logits"].shape == (3, 4)


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
