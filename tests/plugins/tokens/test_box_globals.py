"""Global tokens in a vector apart from the box."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensordict import TensorDict

from glulam_tokens.configs import BoxShaperConfig
from tests.plugins.tokens.oracles import expected_box
from tests.plugins.tokens.worlds import factors_of, observations, observed, world, worlds

ENV = world([("a", 0, 4.0), ("last", 1, "action")], view=(3, 5), actions=["go", "stay"])


def shaper(env, **fields):
    return BoxShaperConfig(globals_key="globals", **fields).build(env.obs_meta())


class TestLaws:
    """Oracle: `expected_box`, a loop over tokens."""

    @settings(deadline=None, max_examples=25)
    @given(st.data())
    def test_every_token_stands_where_the_spec_says(self, data):
        env = data.draw(worlds().filter(lambda env: env.vocabulary))
        observation = data.draw(observations(env))
        wanted = expected_box(env, observation, list(env.vocabulary), factors_of(env), apart=True)
        for one, other in zip(shaper(env)(torch.from_numpy(observation)), wanted, strict=True):
            assert torch.equal(one, other)


class TestGlobals:
    """Oracle: boxes and vectors worked out by hand; cell (1, 2) is the agent's."""

    @pytest.mark.parametrize(("here", "anywhere"), [(2, 3), (3, 2), (0, 3), (3, 0)])
    def test_neither_a_global_token_nor_one_at_the_centre_overwrites_the_other(self, here, anywhere):
        row = [(0x12, 0, here), (254, 0, anywhere)]
        for tokens in (row, row[::-1]):
            box, apart = shaper(ENV)(observed(ENV, tokens))
            assert box[0, 0, 1, 2] == here / 4
            assert box.count_nonzero() == (here > 0)
            assert apart.tolist() == [[anywhere / 4, 0, 0]]
            together = BoxShaperConfig().build(ENV.obs_meta())(observed(ENV, tokens))
            assert together[0, 0, 1, 2] == 3 / 4

    def test_of_two_values_the_larger_stays_and_rows_do_not_mix(self):
        box, apart = shaper(ENV)(observed(ENV, [(254, 0, 2), (254, 0, 8), (254, 1, 1)], [(254, 1, 0), (255, 1, 1)]))
        assert apart.tolist() == [[2, 0, 1], [0, 1, 0]]
        assert not box.any()

    def test_channels_beyond_the_names_stay_zero(self):
        box, apart = shaper(ENV, num_channels=5)(observed(ENV, [(254, 1, 1), (0x24, 1, 1)]))
        assert apart.tolist() == [[0, 0, 1, 0, 0]]
        assert box.nonzero().tolist() == [[0, 2, 2, 4]]

    def test_lies_in_memory_as_channels_last(self):
        box, apart = shaper(ENV)(observed(ENV, [(0, 0, 1)], [(1, 0, 1)]))
        assert box.is_contiguous(memory_format=torch.channels_last)
        assert apart.untyped_storage().nbytes() == apart.nbytes  # it does not keep the box alive

    def test_both_keys_are_written_to_a_tensordict(self):
        layer = BoxShaperConfig(globals_key="everywhere").instantiate(ENV.obs_meta())
        assert layer.out_keys == ["box", "everywhere"]
        td = layer(TensorDict({"env_obs": observed(ENV, [(254, 0, 2)])}, batch_size=[1]))
        assert td["everywhere"].tolist() == [[0.5, 0, 0]]
        assert not td["box"].any()

    def test_compiles_whole(self):
        layer = shaper(ENV)
        compiled = torch.compile(layer, backend="eager", fullgraph=True)
        observation = torch.randint(0, 256, (3, 8, 3), dtype=torch.uint8)
        for one, other in zip(compiled(observation), layer(observation), strict=True):
            assert torch.equal(one, other)
