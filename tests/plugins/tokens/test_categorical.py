"""Values as categories."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glulam_tokens.configs import CategoricalTokensConfig, TokenShaperConfig
from tests.plugins.tokens.oracles import expected_waves
from tests.plugins.tokens.worlds import observed, viewing, world

SIZES = st.integers(1, 16)
VALUES = st.integers(0, 255) | st.floats(-300, 600, width=32)


def tokenizer(env, **fields):
    layer = CategoricalTokensConfig(**fields).build()
    layer.initialize_to_environment(env)
    return layer


def expected(layer, env, token, num_freqs):
    """One token's features: the rows of its name and of the nearest byte, and waves worked out number by number."""
    location, name, value = token
    byte = int(min(max(round(value), 0), 255))
    embedded = [0.0] * layer.values.embedding_dim if name == 255 else layer.values.weight[byte].tolist()
    view = env.view_height, env.view_width
    return [*layer.embedding.weight[name].tolist(), *embedded, *expected_waves(view, view, location, num_freqs)]


class TestLaws:
    """Oracle: `expected`."""

    @settings(deadline=None, max_examples=40)
    @given(
        size=st.tuples(SIZES, SIZES),
        widths=st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5)),
        tokens=st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255), VALUES), min_size=1, max_size=6),
    )
    def test_features_of_each_token(self, size, widths, tokens):
        env = viewing(*size)
        layer = tokenizer(env, attr_embed_dim=widths[0], value_embed_dim=widths[1], num_freqs=widths[2])
        features = layer(torch.tensor([tokens, tokens[::-1]], dtype=torch.float32))
        wanted = torch.tensor([expected(layer, env, token, widths[2]) for token in tokens])
        torch.testing.assert_close(features[0], wanted, rtol=0, atol=1e-6)
        torch.testing.assert_close(features[1], wanted.flip(0), rtol=0, atol=1e-6)


class TestValues:
    """Oracle: rows picked by hand."""

    def test_every_byte_has_a_row_of_its_own_behind_the_shaper(self):
        """With a factor of 100, which raw values do not see."""
        env = world([("hp", 4, 100.0)], count=256)
        shaper = TokenShaperConfig(normalize=False).build(env.obs_meta())
        tokens, _ = shaper(observed(env, [(0x55, 4, byte) for byte in range(256)]))
        layer = tokenizer(env)
        assert torch.equal(layer(tokens)[0, :, 12:24], layer.values.weight)

    @pytest.mark.parametrize(("value", "row"), [(-3.0, 0), (0.4, 0), (0.6, 1), (7.0, 7), (254.6, 255), (900.0, 255)])
    def test_is_rounded_and_clamped(self, value, row):
        layer = tokenizer(viewing(5, 5))
        assert torch.equal(layer(torch.tensor([[[0, 1, value]]]))[0, 0, 12:24], layer.values.weight[row])

    def test_padding_teaches_no_value(self):
        layer = tokenizer(viewing(5, 5))
        layer(torch.tensor([[[255.0, 255, 0], [0x11, 255, 9], [254, 3, 4]]])).sum().backward()
        assert layer.values.weight.grad.any(-1).nonzero().tolist() == [[4]]

    @pytest.mark.parametrize("std", [0.0, 0.1, 1.0])
    def test_initial_scale(self, std):
        weight = CategoricalTokensConfig(embedding_std=std, value_embed_dim=64).build().values.weight
        assert weight.std().item() == pytest.approx(std, rel=0.05)
