"""Fourier positions in worlds of other views than the policy's own."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glulam import GlulamError
from glulam_tokens.configs import CategoricalTokensConfig, FourierTokensConfig
from tests.plugins.tokens.oracles import expected_waves
from tests.plugins.tokens.worlds import viewing

CONFIGS = [FourierTokensConfig, CategoricalTokensConfig]
VIEWS = st.tuples(st.integers(1, 16), st.integers(1, 16))
SIZES = range(3, 16)


def tokenizer(config, *views, num_freqs=3):
    """A layer that went through worlds of these views."""
    layer = config(num_freqs=num_freqs).build()
    for view in views:
        layer.initialize_to_environment(viewing(*view))
    return layer


def north(layer, height, width):
    """Features of a token one cell north of the agent."""
    location = (height // 2 - 1) << 4 | width // 2
    return layer(torch.tensor([[[location, 0.0, 1.0]]]))


@pytest.mark.parametrize("config", CONFIGS)
class TestOwnView:
    """Oracle: `expected_waves`, the coordinate that the cell as far from the agent has in the own view."""

    @settings(deadline=None, max_examples=40)
    @given(own=VIEWS, later=VIEWS, num_freqs=st.integers(1, 5))
    def test_every_place_has_the_coordinate_of_its_twin(self, config, own, later, num_freqs):
        layer = tokenizer(config, own, later, num_freqs=num_freqs).double()
        layer.initialize_to_environment(viewing(*later))
        wanted = [expected_waves(own, later, location, num_freqs) for location in range(256)]
        torch.testing.assert_close(layer.positions, torch.tensor(wanted, dtype=torch.float64), rtol=0, atol=1e-9)

    @pytest.mark.parametrize("own", [(11, 11), (6, 9)])
    def test_one_cell_north_is_bit_equal_in_all_views(self, config, own):
        layer = tokenizer(config, own)
        wanted = north(layer, *own)
        for view in ((height, width) for height in SIZES for width in SIZES):
            layer.initialize_to_environment(viewing(*view))
            assert torch.equal(north(layer, *view), wanted), view

    def test_without_an_own_view_it_would_not_be(self, config):
        """The sabotage: every world sets the scale anew."""
        layer = tokenizer(config, (11, 11))
        wanted = north(layer, 11, 11)
        layer.own_view = None
        layer.initialize_to_environment(viewing(7, 7))
        assert not torch.equal(north(layer, 7, 7), wanted)

    def test_offset_from_the_middle_in_units_of_the_own_view(self, config):
        """By hand: of 5 x 5, cell (0, 3) is 2 rows up and 1 column right; an own view of 9 x 5 has units 1/4, 1/2."""
        layer = tokenizer(config, (9, 5), (5, 5), num_freqs=1)
        wanted = torch.tensor([-0.5, -0.5, 0.5, 0.5])
        wanted = torch.stack((wanted[0].cos(), wanted[1].sin(), wanted[2].cos(), wanted[3].sin()))
        torch.testing.assert_close(layer.positions[0x03], wanted)

    def test_an_own_view_one_cell_across_has_no_coordinates(self, config):
        layer = tokenizer(config, (1, 1), (5, 5), num_freqs=1)
        assert layer.positions[0x04].tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize("config", CONFIGS)
class TestState:
    """Oracle: the state as it should read, or a layer that went the same way itself."""

    def test_reads_so(self, config):
        assert tokenizer(config).get_extra_state() == {"view": None}
        assert tokenizer(config, (3, 4), (7, 7)).get_extra_state() == {"view": [3, 4]}

    def test_a_saved_own_view_replaces_that_of_the_world_it_is_loaded_in(self, config):
        moved = tokenizer(config, (11, 9), (5, 5))
        state = moved.state_dict()
        state["_extra_state"] = json.loads(json.dumps(state["_extra_state"]))  # as a checkpoint keeps it
        loaded = tokenizer(config, (5, 5))
        assert not torch.equal(loaded.positions, moved.positions)
        loaded.load_state_dict(state)
        assert torch.equal(loaded.positions, moved.positions)
        loaded.initialize_to_environment(viewing(5, 5))
        assert torch.equal(loaded.positions, moved.positions)

    def test_loaded_before_any_world(self, config):
        loaded = tokenizer(config)
        loaded.load_state_dict(tokenizer(config, (11, 9)).state_dict())
        loaded.initialize_to_environment(viewing(5, 5))
        assert torch.equal(loaded.positions, tokenizer(config, (11, 9), (5, 5)).positions)

    def test_a_state_of_no_world_leaves_the_first_one_to_come(self, config):
        loaded = tokenizer(config)
        loaded.load_state_dict(tokenizer(config).state_dict())
        loaded.initialize_to_environment(viewing(5, 7))
        assert loaded.get_extra_state() == {"view": [5, 7]}

    @pytest.mark.parametrize("state", [None, {}, {"view": [3]}, {"view": "33"}, {"view": [3, 0]}, {"view": [3, 0.5]}])
    def test_a_state_that_is_none(self, config, state):
        with pytest.raises(GlulamError, match=r"^the saved view is .*, expected {'view': \[height, width\]}$"):
            tokenizer(config).set_extra_state(state)
