"""Learned positions."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glulam_tokens.configs import LearnedTokensConfig
from tests.plugins.tokens.worlds import viewing

SIZES = st.integers(1, 16)


def tokenizer(env, **fields):
    layer = LearnedTokensConfig(**fields).build()
    layer.initialize_to_environment(env)
    return layer


def expected(layer, env, token):
    """One token's features: the rows of its name and of its offset, found by counting cells from the agent."""
    location, name, value = token
    row, column = location // 16 - env.view_height // 2, location % 16 - env.view_width // 2
    zeros = [0.0] * layer.position.embedding_dim
    position = zeros if location >= 254 else layer.position.weight[32 * (16 + row) + 16 + column].tolist()
    return [*layer.embedding.weight[int(name)].tolist(), *position, value]


class TestLaws:
    """Oracle: `expected`, or the same layer in another view."""

    @settings(deadline=None, max_examples=30)
    @given(
        size=st.tuples(SIZES, SIZES),
        widths=st.tuples(st.integers(1, 5), st.integers(1, 5)),
        tokens=st.lists(
            st.tuples(st.integers(0, 255), st.integers(0, 255), st.floats(-4, 4, width=32)), min_size=1, max_size=6
        ),
    )
    def test_features_of_each_token(self, size, widths, tokens):
        env = viewing(*size)
        layer = tokenizer(env, attr_embed_dim=widths[0], position_dim=widths[1])
        features = layer(torch.tensor([tokens, tokens[::-1]]))
        wanted = torch.tensor([expected(layer, env, token) for token in tokens])
        assert torch.equal(features[0], wanted)
        assert torch.equal(features[1], wanted.flip(0))

    @settings(deadline=None, max_examples=30)
    @given(st.tuples(SIZES, SIZES), st.tuples(SIZES, SIZES))
    def test_an_offset_keeps_its_row_in_another_view_and_no_two_share_one(self, first, second):
        layer = tokenizer(viewing(*first), position_dim=1, embedding_std=0)
        with torch.no_grad():
            layer.position.weight.copy_(torch.arange(1024.0)[:, None])  # a row tells its number
        seen = {}
        for height, width in (first, second):
            layer.initialize_to_environment(viewing(height, width))
            features = layer(torch.tensor([[[location, 0.0, 0.0] for location in range(254)]]))
            for location, number in enumerate(features[0, :, -2].tolist()):
                offset = location // 16 - height // 2, location % 16 - width // 2
                assert seen.setdefault(offset, number) == number
        assert len(set(seen.values())) == len(seen)
        assert min(seen.values()) > 0  # row 0 is for tokens of no place


class TestPositions:
    """Oracle: zeros, or rows picked by hand."""

    @pytest.mark.parametrize("location", [254, 255])
    def test_a_token_of_no_place_has_zeros_and_teaches_no_offset(self, location):
        layer = tokenizer(viewing(16, 16), attr_embed_dim=2, position_dim=3)
        features = layer(torch.tensor([[[location, 7.0, 0.5]]]))
        assert torch.equal(features[0, 0, :2], layer.embedding.weight[7])
        assert features[0, 0, 2:].tolist() == [0, 0, 0, 0.5]
        features.sum().backward()
        assert not layer.position.weight.grad.any()

    def test_a_place_teaches_its_own_offset_alone(self):
        layer = tokenizer(viewing(11, 11))
        layer(torch.tensor([[[0x46, 7.0, 0.5], [255, 255.0, 0]]])).sum().backward()
        assert layer.position.weight.grad.any(-1).nonzero().tolist() == [[32 * (16 - 1) + 16 + 1]]

    @pytest.mark.parametrize("std", [0.0, 0.1, 1.0])
    def test_initial_scale(self, std):
        weight = LearnedTokensConfig(position_std=std).build().position.weight
        assert weight[1:].std().item() == pytest.approx(std, rel=0.05)

    def test_both_tables_are_saved_and_no_more(self):
        assert list(tokenizer(viewing(3, 3)).state_dict()) == ["embedding.weight", "position.weight"]
