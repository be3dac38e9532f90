"""What all tokenisers have in common."""

from __future__ import annotations

import re

import pytest
import torch

from glulam import ActionSpec, BoxLayout, EnvSpec, GlulamError
from glulam_tokens.configs import (
    CategoricalTokensConfig,
    FourierTokensConfig,
    LearnedTokensConfig,
    RopeTokensConfig,
    TokenShaperConfig,
)
from tests.plugins.tokens.worlds import viewing

CONFIGS = [FourierTokensConfig, LearnedTokensConfig, RopeTokensConfig, CategoricalTokensConfig]
NUMBERS = EnvSpec(name="numbers", box=BoxLayout(shape=(3,), dtype="float32"), actions=ActionSpec(names=("go",)))

pytestmark = pytest.mark.parametrize("config", CONFIGS)


def tokenizer(config, env=None, **fields):
    layer = config(**fields).build()
    if env is not None:
        layer.initialize_to_environment(env)
    return layer


class TestPadding:
    """Oracle: zeros."""

    def test_a_masked_token_has_no_features(self, config):
        env = viewing(11, 11)
        tokens, mask = TokenShaperConfig().build(env.obs_meta())(torch.full((2, 3, 3), 255, dtype=torch.uint8))
        assert not mask.any()
        assert torch.equal(tokenizer(config, env)(tokens), torch.zeros(2, 3, config().feature_dim))

    def test_no_gradient_reaches_the_padding_row(self, config):
        """A defect of the original: its padding row was neither zero nor kept from learning."""
        layer = tokenizer(config, viewing(5, 5))
        assert not layer.embedding.weight[255].any()
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
        layer(torch.tensor([[[255.0, 255, 0], [0x12, 255, 7], [0, 3, 1]]])).sum().backward()
        optimizer.step()
        assert not layer.embedding.weight[255].any()
        assert layer.embedding.weight.grad[3].any()
        assert layer.embedding.weight.grad.any(-1).sum() == 1


class TestModule:
    """Oracle: torch itself, or the message."""

    def test_says_that_it_was_not_initialised(self, config):
        who = config.__name__.removesuffix("Config")
        message = rf"^{who} does not know the view; call initialize_to_environment\(env, device\) first$"
        with pytest.raises(GlulamError, match=message):
            tokenizer(config)(torch.zeros(1, 1, 3))

    def test_a_world_without_tokens_is_refused_and_changes_nothing(self, config):
        layer = tokenizer(config, viewing(5, 5))
        before = layer.positions.clone()
        who = config.__name__.removesuffix("Config")
        message = f"environment 'numbers' shows no tokens, which {who} reads; take a policy that reads numbers"
        with pytest.raises(GlulamError, match=f"^{re.escape(message)}$"):
            layer.initialize_to_environment(NUMBERS)
        assert torch.equal(layer.positions, before)

    def test_another_view_and_back(self, config):
        layer = tokenizer(config, viewing(11, 11))
        tokens = torch.tensor([[[0xAA, 0.0, 1.0], [0x00, 1.0, 0.0]]])
        first = layer(tokens)
        layer.initialize_to_environment(viewing(5, 7))
        assert not torch.equal(layer(tokens), first)
        layer.initialize_to_environment(viewing(11, 11))
        assert torch.equal(layer(tokens), first)

    @pytest.mark.parametrize("std", [0.0, 0.1, 1.0])
    def test_initial_scale_of_names(self, config, std):
        weight = tokenizer(config, embedding_std=std, attr_embed_dim=64).embedding.weight
        assert weight[:255].std().item() == pytest.approx(std, rel=0.05)

    def test_compiles_whole(self, config):
        layer = tokenizer(config, viewing(11, 11))
        compiled = torch.compile(layer, backend="eager", fullgraph=True)
        for count in (4, 6):
            tokens = torch.randint(0, 256, (2, count, 3)).float()
            torch.testing.assert_close(compiled(tokens), layer(tokens))

    def test_a_lower_precision_gives_the_same_up_to_rounding(self, config):
        layer = tokenizer(config, viewing(11, 11))
        tokens = torch.tensor([[[0x3A, 7.0, 200.0], [254, 254, 255], [0, 0, 0]]])
        wanted = layer(tokens)
        layer.bfloat16().initialize_to_environment(viewing(11, 11))
        features = layer(tokens.bfloat16())
        assert features.dtype == torch.bfloat16
        torch.testing.assert_close(features.float(), wanted, rtol=0.02, atol=0.03)

    def test_follows_to_the_device(self, config):
        layer = tokenizer(config, viewing(11, 11)).to("meta")
        layer.initialize_to_environment(viewing(5, 5), "meta")
        assert layer.positions.device.type == "meta"
        assert layer(torch.zeros(1, 2, 3, device="meta")).shape == (1, 2, config().feature_dim)
