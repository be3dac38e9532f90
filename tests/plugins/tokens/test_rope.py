"""Rotary positions."""

from __future__ import annotations

import cmath

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glulam_tokens.configs import RopeTokensConfig
from tests.plugins.tokens.worlds import viewing

WIDTHS = st.sampled_from([4, 8, 12])
CELLS = st.tuples(st.integers(0, 14), st.integers(0, 15))


def tokenizer(env, **fields):
    layer = RopeTokensConfig(**fields).build().double()
    layer.initialize_to_environment(env)
    return layer


def expected(layer, env, token, base):
    """One token's features: each pair is a complex number, and turning is a product with e^(i angle)."""
    location, name, value = token
    offset = location // 16 - env.view_height // 2, location % 16 - env.view_width // 2
    numbers = layer.embedding.weight[int(name)].tolist()
    pairs = len(numbers) // 2
    features = []
    for pair in range(pairs):
        half, k = divmod(pair, pairs // 2)
        angle = 0.0 if location >= 254 else offset[half] * base ** (-k / (pairs // 2))
        turned = complex(*numbers[2 * pair : 2 * pair + 2]) * cmath.exp(1j * angle)
        features += [turned.real, turned.imag]
    return [*features, value]


def products(layer, one, other, names=(3, 4)):
    """The inner product of two tokens' features, at cells `one` and `other`."""
    tokens = [[cell[0] << 4 | cell[1], name, 2.0] for cell, name in zip((one, other), names, strict=True)]
    left, right = layer(torch.tensor([tokens], dtype=torch.float64))[0].detach().numpy()
    return float(np.dot(left, right))


class TestFeatures:
    """Oracle: `expected`, with complex numbers."""

    @settings(deadline=None, max_examples=40)
    @given(
        size=st.tuples(st.integers(1, 16), st.integers(1, 16)),
        width=WIDTHS,
        base=st.sampled_from([1.0, 10.0, 100.0, 10000.0]),
        tokens=st.lists(
            st.tuples(st.integers(0, 255), st.integers(0, 255), st.floats(-4, 4, width=32)), min_size=1, max_size=6
        ),
    )
    def test_features_of_each_token(self, size, width, base, tokens):
        env = viewing(*size)
        layer = tokenizer(env, attr_embed_dim=width, base=base)
        features = layer(torch.tensor([tokens, tokens[::-1]], dtype=torch.float64))
        wanted = torch.tensor([expected(layer, env, token, base) for token in tokens], dtype=torch.float64)
        torch.testing.assert_close(features[0], wanted, rtol=0, atol=1e-12)
        torch.testing.assert_close(features[1], wanted.flip(0), rtol=0, atol=1e-12)

    @pytest.mark.parametrize("location", [0x55, 254, 255])
    def test_at_the_agents_cell_and_at_no_place_nothing_turns(self, location):
        layer = tokenizer(viewing(11, 11))
        features = layer(torch.tensor([[[location, 7.0, 0.5]]], dtype=torch.float64))[0, 0]
        assert torch.equal(features[:-1], layer.embedding.weight[7])
        assert features[-1] == 0.5

    def test_by_hand(self):
        layer = tokenizer(viewing(3, 3), attr_embed_dim=4)
        with torch.no_grad():
            layer.embedding.weight[0] = torch.tensor([1.0, 0, 0, 1])
        features = layer(torch.tensor([[[0x20, 0.0, 3.0]]], dtype=torch.float64))[0, 0]  # a row down, a column left
        wanted = [np.cos(1), np.sin(1), np.sin(1), np.cos(1), 3]
        torch.testing.assert_close(features, torch.tensor(wanted, dtype=torch.float64))


class TestLaw:
    """Inner products depend on the difference of two places alone; so they do in every view."""

    @settings(deadline=None, max_examples=40)
    @given(one=CELLS, other=CELLS, step=CELLS, width=WIDTHS, view=st.tuples(st.integers(1, 16), st.integers(1, 16)))
    def test_both_moved_by_one_step(self, one, other, step, width, view):
        layer = tokenizer(viewing(11, 11), attr_embed_dim=width)
        # All that fits: the step is cut so that neither cell leaves the packed byte.
        step = [min(s, limit - max(a, b)) for s, limit, a, b in zip(step, (14, 15), one, other, strict=True)]
        moved = [tuple(c + s for c, s in zip(cell, step, strict=True)) for cell in (one, other)]
        before = products(layer, one, other)
        assert products(layer, *moved) == pytest.approx(before, abs=1e-10)
        layer.initialize_to_environment(viewing(*view))
        assert products(layer, *moved) == pytest.approx(before, abs=1e-10)

    def test_the_difference_matters(self):
        layer = tokenizer(viewing(11, 11))
        found = {round(products(layer, (7, 7), (row, column)), 9) for row in range(15) for column in range(16)}
        assert len(found) == 15 * 16

    def test_length_stays(self):
        layer = tokenizer(viewing(11, 11))
        lengths = {round(products(layer, cell, cell, (3, 3)), 9) for cell in ((0, 0), (5, 5), (9, 2))}
        assert len(lengths) == 1

    @pytest.mark.parametrize("sabotage", [torch.abs, torch.zeros_like, lambda sin: sin * 0.9])
    def test_a_table_that_is_no_rotation_breaks_it(self, sabotage):
        layer = tokenizer(viewing(11, 11), attr_embed_dim=4)
        layer.positions = torch.cat((layer.positions[:, :2], sabotage(layer.positions[:, 2:])), dim=-1)
        assert products(layer, (2, 2), (3, 4)) != pytest.approx(products(layer, (7, 8), (8, 10)), abs=1e-10)
