"""Observations of every kind, through both shapers: rows written out, each with what makes it a case."""

from __future__ import annotations

import pytest
import torch

from glulam_tokens.configs import BoxShaperConfig, TokenShaperConfig
from tests.plugins.tokens.oracles import BLANK, expected_box, expected_tokens
from tests.plugins.tokens.worlds import factors_of, observed, world

CODES = {
    "usual codes": {"padding": 0xFF, "global_location": 0xFE},
    "padding at the first cell's byte": {"padding": 0x00, "global_location": 0xFE},
    "codes inside the view": {"padding": 0x12, "global_location": 0x21},
}
P, G = "padding", "global"  # stand for a world's codes in the cases below

CASES = {
    "full rows": [[(0x11, 3, 1), (0x13, 3, 2), (G, 3, 3), (0x22, 90, 0), (0x20, 90, 1), (0x14, 255, 4)]] * 2,
    "empty rows": [[], []],
    "an empty row beside a full one": [[], [(0x11, 3, 1)] * 6],
    "padding in front and in the middle": [[(P, 255, 255), (0x11, 3, 1), (P, 255, 255), (P, 255, 255), (0x13, 3, 2)]],
    "padding with a name behind it": [[(P, 3, 9), (0x11, 3, 1), (P, 90, 0), (P, 255, 9)]],
    "padding of zeros behind the location": [[(0x11, 3, 1), (P, 0, 0), (0x13, 3, 2), (P, 0, 0)]],
    "ids that no feature has": [[(0x11, 0, 1), (0x11, 4, 1), (0x11, 91, 0), (0x11, 254, 1), (0x11, 3, 1)]],
    "a tag that is none": [[(0x11, 90, 2), (0x11, 90, 255), (0x11, 90, 1)]],
    "global tokens": [[(G, 3, 7), (G, 90, 0), (G, 255, 200), (G, 3, 5), (G, 0, 1)]],
    "the agent's cell and a global token": [[(0x11, 3, 7), (G, 3, 5)], [(0x11, 3, 5), (G, 3, 7)]],
    "locations outside the view": [[(0x05, 3, 1), (0x30, 3, 2), (0x2F, 90, 0), (0xEE, 255, 4), (0xF0, 3, 5)]],
    "one cell, many tokens": [[(0x24, 3, 1), (0x24, 3, 4), (0x24, 3, 2), (0x24, 90, 0), (0x24, 90, 1)]],
}


@pytest.fixture(params=CODES.values(), ids=CODES)
def env(request):
    """3 x 5 cells, ids with gaps, and codes that tests share or that lie in the view."""
    features = [("hp", 3, 10.0), ("tag", 90, "tag"), ("ore", 255, 1.0)]
    return world(features, view=(3, 5), tags=["altar", "wall"], count=6, **request.param)


@pytest.fixture(params=CASES.values(), ids=CASES)
def observation(request, env):
    """A case with the world's own codes."""
    codes = {P: env.tokens.padding, G: env.tokens.global_location}
    return observed(env, *([(codes.get(place, place), *rest) for place, *rest in row] for row in request.param))


class TestCases:
    """Oracle: loops over tokens that search the lists of the EnvSpec."""

    def test_tokens(self, env, observation):
        tokens, mask = TokenShaperConfig().build(env.obs_meta())(observation)
        wanted = expected_tokens(env, observation.numpy(), list(env.vocabulary), factors_of(env))
        assert torch.equal(tokens, wanted)
        assert torch.equal(mask, (wanted != torch.tensor(BLANK)).any(-1))

    def test_box(self, env, observation):
        box = BoxShaperConfig().build(env.obs_meta())(observation)
        assert torch.equal(box, expected_box(env, observation.numpy(), list(env.vocabulary), factors_of(env)))

    def test_box_with_global_tokens_apart(self, env, observation):
        layer = BoxShaperConfig(globals_key="globals").build(env.obs_meta())
        wanted = expected_box(env, observation.numpy(), list(env.vocabulary), factors_of(env), apart=True)
        for one, other in zip(layer(observation), wanted, strict=True):
            assert torch.equal(one, other)

    def test_stripping_changes_nothing(self, env, observation):
        shaper, boxer = TokenShaperConfig().build(env.obs_meta()), BoxShaperConfig().build(env.obs_meta())
        stripped = shaper.strip(observation)
        behind = observation[:, stripped.shape[1] :, 0]
        assert (behind == env.tokens.padding).all()
        assert torch.equal(boxer(stripped), boxer(observation))
        assert torch.equal(shaper(stripped)[0], shaper(observation)[0][:, : stripped.shape[1]])


class TestRawValues:
    """Oracle: the bytes of the observation."""

    def test_numbers_stay_bytes_and_categories_zeros(self):
        env = world([("hp", 3, 100.0), ("tag", 1, "tag")], tags=["x", "y"])
        rows = [(0x11, 3, 255), (0x11, 3, 7), (0x11, 1, 1), (0x11, 9, 9)]
        tokens, mask = TokenShaperConfig(normalize=False).build(env.obs_meta())(observed(env, rows))
        assert tokens[0, :4].tolist() == [[0x11, 0, 255], [0x11, 0, 7], [0x11, 2, 0], BLANK]
        assert mask[0, :4].tolist() == [True, True, True, False]

    def test_in_another_world_too(self):
        layer = TokenShaperConfig(normalize=False).build(world([("hp", 3, 100.0)]).obs_meta())
        layer.initialize_to_environment(world([("hp", 4, 2.0)]))
        assert layer(torch.tensor([[[0x11, 4, 200]]], dtype=torch.uint8))[0].tolist() == [[[0x11, 0, 200]]]
