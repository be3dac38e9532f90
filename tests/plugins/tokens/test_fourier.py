"""Fourier token features."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glulam_tokens.configs import FourierTokensConfig, TokenShaperConfig
from tests.plugins.tokens.worlds import viewing


def tokenizer(env=None, **fields):
    layer = FourierTokensConfig(**fields).build()
    if env is not None:
        layer.initialize_to_environment(env)
    return layer


def expected(layer, env, token, num_freqs):
    """One token's features, number by number; the coordinate of cell c of n is 2 c / (n - 1) - 1."""
    location, row, value = token
    wanted = layer.embedding.weight[int(row)].tolist()
    for coordinate, size in ((location // 16, env.view_height), (location % 16, env.view_width)):
        scaled = 2 * coordinate / (size - 1) - 1 if size > 1 else 0.0
        for wave in (math.cos, math.sin):
            wanted += [0.0 if location >= 254 else wave(scaled * 2**k) for k in range(num_freqs)]
    return [*wanted, value]


class TestLaws:
    """Oracle: `expected`, the formula of the design with `math.cos` and `math.sin`."""

    @settings(deadline=None, max_examples=50)
    @given(
        size=st.tuples(st.integers(1, 15), st.integers(1, 15)),
        num_freqs=st.integers(0, 8),
        width=st.integers(1, 12),
        tokens=st.lists(
            st.tuples(st.integers(0, 255), st.integers(0, 255), st.floats(-4, 4, width=32)), min_size=1, max_size=6
        ),
    )
    def test_features_of_each_token(self, size, num_freqs, width, tokens):
        env = viewing(*size)
        layer = tokenizer(attr_embed_dim=width, num_freqs=num_freqs).double()
        layer.initialize_to_environment(env)
        features = layer(torch.tensor([tokens, tokens[::-1]], dtype=torch.float64))
        wanted = torch.tensor([expected(layer, env, token, num_freqs) for token in tokens], dtype=torch.float64)
        torch.testing.assert_close(features[0], wanted, rtol=0, atol=1e-12)
        torch.testing.assert_close(features[1], wanted.flip(0), rtol=0, atol=1e-12)


class TestVectors:
    """Oracle: the features that the original made of the reference tokens (the real ones)."""

    @pytest.mark.parametrize(
        ("policy", "attr_embed_dim", "num_freqs", "width"),
        [
            ("latent_attn_tiny", 10, 4, 27),
            ("latent_attn_small", 8, 8, 41),
            ("latent_attn_med", 12, 8, 45),
            ("vit_lstm", 12, 6, 37),
        ],
    )
    def test_equals_the_original(self, policy, attr_embed_dim, num_freqs, width, vectors, vectors_world):
        arrays = vectors(policy)
        config = FourierTokensConfig(attr_embed_dim=attr_embed_dim, num_freqs=num_freqs)
        layer = config.build()
        layer.embedding.load_state_dict({"weight": arrays["w/tokenizer.feature_embedding"]})
        layer.initialize_to_environment(vectors_world)
        tokens, mask = TokenShaperConfig().build(vectors_world.obs_meta())(arrays["in/tokens"])
        features = layer(tokens)
        assert features.shape[-1] == config.feature_dim == width
        torch.testing.assert_close(features[mask], arrays["out/token_features"][mask], rtol=0, atol=1e-5)


class TestPadding:
    """Oracle: zeros."""

    def test_a_masked_token_has_no_features(self):
        env = viewing(11, 11)
        tokens, mask = TokenShaperConfig().build(env.obs_meta())(torch.full((2, 3, 3), 255, dtype=torch.uint8))
        assert not mask.any()
        assert not tokenizer(env)(tokens).any()

    def test_a_global_token_has_a_name_and_a_value_but_no_position(self):
        layer = tokenizer(viewing(11, 11), attr_embed_dim=2, num_freqs=3)
        features = layer(torch.tensor([[[254.0, 7, 0.5]]]))[0, 0]
        assert torch.equal(features[:2], layer.embedding.weight[7])
        assert features[2:].tolist() == [0] * 12 + [0.5]
