"""The token shaper."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensordict import TensorDict

from glulam_tokens.configs import TokenShaperConfig
from tests.plugins.tokens.oracles import BLANK, expected_tokens
from tests.plugins.tokens.worlds import factors_of, observations, observed, with_padding_rewritten, world, worlds


def shaper(env):
    return TokenShaperConfig().build(env.obs_meta())


class TestLaws:
    """Oracle: `expected_tokens`, a loop over tokens that searches the lists of the EnvSpec."""

    @settings(deadline=None, max_examples=50)
    @given(st.data())
    def test_every_token_is_read_as_the_spec_says(self, data):
        env = data.draw(worlds())
        observation = data.draw(observations(env))
        tokens, mask = shaper(env)(torch.from_numpy(observation))
        wanted = expected_tokens(env, observation, list(env.vocabulary), factors_of(env))
        torch.testing.assert_close(tokens, wanted, rtol=0, atol=0)
        assert torch.equal(mask, (wanted != torch.tensor(BLANK)).any(-1))

    def test_a_place_at_255_is_no_padding_where_padding_has_another_code(self):
        env = world([("hp", 0, 1.0)], view=(16, 16), count=2, padding=0xF0, global_location=0xF1)
        tokens, mask = shaper(env)(torch.tensor([[[255, 0, 3], [0xF0, 0, 3]]], dtype=torch.uint8))
        assert mask.tolist() == [[True, False]]
        assert tokens.tolist() == [[[255.0, 0.0, 3.0], BLANK]]

    @settings(deadline=None, max_examples=25)
    @given(st.data())
    def test_in_another_world_names_keep_their_rows_and_factors(self, data):
        first, second = data.draw(worlds()), data.draw(worlds())
        layer = shaper(first)
        layer.initialize_to_environment(second)
        observation = data.draw(observations(second))
        tokens, _ = layer(torch.from_numpy(observation))
        wanted = expected_tokens(second, observation, list(first.vocabulary), factors_of(first))
        torch.testing.assert_close(tokens, wanted, rtol=0, atol=0)

    @settings(deadline=None, max_examples=25)
    @given(st.data())
    def test_what_stands_in_padding_does_not_matter(self, data):
        env = data.draw(worlds())
        observation = data.draw(observations(env))
        layer = shaper(env)
        changed = with_padding_rewritten(env, observation, data.draw(st.integers(0, 255)))
        for one, other in zip(layer(torch.from_numpy(observation)), layer(torch.from_numpy(changed)), strict=True):
            assert torch.equal(one, other)

    @settings(deadline=None, max_examples=25)
    @given(st.data())
    def test_rows_do_not_see_each_other(self, data):
        env = data.draw(worlds())
        observation = torch.from_numpy(data.draw(observations(env)))
        layer = shaper(env)
        tokens, mask = layer(observation)
        for row in range(len(observation)):
            alone, alone_mask = layer(observation[row : row + 1])
            assert torch.equal(alone[0], tokens[row])
            assert torch.equal(alone_mask[0], mask[row])

    @settings(deadline=None, max_examples=50)
    @given(st.data())
    def test_strip_drops_padding_columns_at_the_end_and_nothing_else(self, data):
        env = data.draw(worlds())
        observation = data.draw(observations(env))
        layer = shaper(env)
        longest = 1
        for row in observation:
            for number, token in enumerate(row, start=1):
                if token[0] != env.tokens.padding:
                    longest = max(longest, number)
        stripped = layer.strip(torch.from_numpy(observation))
        assert torch.equal(stripped, torch.from_numpy(observation[:, :longest]))
        full = layer(torch.from_numpy(observation))
        for short, long in zip(layer(stripped), full, strict=True):
            assert torch.equal(short, long[:, :longest])

    @settings(deadline=None, max_examples=25)
    @given(worlds(), worlds())
    def test_there_and_back_again_gives_the_same_tables(self, first, second):
        layer = shaper(first)
        before = {name: table.clone() for name, table in layer.named_buffers()}
        layer.initialize_to_environment(second)
        layer.initialize_to_environment(first)
        after = dict(layer.named_buffers())
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name]) for name in before)

    @settings(deadline=None, max_examples=25)
    @given(st.data())
    def test_a_saved_vocabulary_replaces_that_of_the_world_it_is_loaded_in(self, data):
        first, second = data.draw(worlds()), data.draw(worlds())
        state = json.loads(json.dumps(shaper(first).state_dict(), sort_keys=True))  # as a checkpoint keeps it
        loaded = shaper(second)
        loaded.load_state_dict(state)
        moved = shaper(first)
        moved.initialize_to_environment(second)
        observation = torch.from_numpy(data.draw(observations(second)))
        for one, other in zip(loaded(observation), moved(observation), strict=True):
            assert torch.equal(one, other)
        assert loaded.state_dict() == state


class TestTokens:
    """Oracle: values worked out by hand."""

    def test_categories_have_a_row_a_name_and_no_value(self):
        env = world([("tag", 2, "tag"), ("last", 1, "action"), ("hp", 9, 1.0)], tags=["x", "y"], actions=["go"])
        assert env.vocabulary == ("hp", "last:go", "tag:x", "tag:y")
        rows = [(0, 2, 0), (0, 2, 1), (0, 2, 2), (254, 1, 0), (0, 9, 0)]
        tokens, mask = shaper(env)(observed(env, rows))
        assert tokens[0, :5].tolist() == [[0, 2, 0], [0, 3, 0], BLANK, [254, 1, 0], [0, 0, 0]]
        assert mask[0, :5].tolist() == [True, True, False, True, True]

    def test_rows_of_the_reference_world_are_its_ids(self, vectors, vectors_world):
        observation = vectors("fast")["in/tokens"]
        tokens, mask = shaper(vectors_world)(observation)
        assert torch.equal(tokens[mask], observation[mask].float())
        assert mask.sum(1).tolist() == [1, 69, 31, 86, 40, 48, 200, 40]

    def test_more_columns_than_three_are_not_read(self):
        env = world([("a", 0, 1.0)], columns=5)
        tokens, _ = shaper(env)(torch.full((2, 8, 5), 3, dtype=torch.uint8).index_fill(2, torch.tensor(1), 0))
        assert tokens[1, 7].tolist() == [3, 0, 3]

    def test_the_observation_is_not_written(self):
        env = world([("a", 0, 2.0)])
        observation = observed(env, [(1, 0, 1), (1, 7, 1)])
        before = observation.clone()
        shaper(env)(observation)
        assert torch.equal(observation, before)

    def test_runs_alone_on_a_tensordict(self):
        env = world([("a", 0, 2.0)])
        layer = TokenShaperConfig(out_key="seen").instantiate(env.obs_meta())
        td = layer(TensorDict({"env_obs": observed(env, [(1, 0, 1)])}, batch_size=[1]))
        assert td["seen"][0, 0].tolist() == [1, 0, 0.5]
        assert td["token_mask"].sum() == 1


class TestModule:
    """Oracle: torch itself."""

    def test_compiles_whole(self):
        env = world([("a", 0, 2.0), ("tag", 1, "tag")], tags=["x"])
        layer = shaper(env)
        compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
        for count in (8, 5):
            observation = torch.randint(0, 256, (3, count, 3), dtype=torch.uint8)
            for one, other in zip(compiled(observation), layer(observation), strict=True):
                assert torch.equal(one, other)

    @pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
    def test_keeps_the_policys_dtype_in_a_new_world(self, dtype):
        layer = shaper(world([("a", 0, 3.0)])).to(dtype)
        layer.initialize_to_environment(world([("a", 9, 3.0)]))
        tokens, _ = layer(torch.tensor([[[250, 9, 1]]], dtype=torch.uint8))
        assert tokens.dtype == dtype
        # Rounded once, from the exact quotient.
        assert torch.equal(tokens[0, 0], torch.tensor([250, 0, 1 / 3], dtype=torch.float64).to(dtype))

    def test_all_tables_follow_to_the_device(self):
        env = world([("a", 0, 3.0)])
        layer = shaper(env)
        layer.initialize_to_environment(env, "meta")
        assert {table.device.type for table in layer.buffers()} == {"meta"}

    @pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])  # noqa: S301
    def test_copies_and_pickles(self, duplicate):
        env = world([("a", 0, 3.0)])
        layer = shaper(env)
        observation = torch.randint(0, 256, (2, 8, 3), dtype=torch.uint8)
        assert torch.equal(duplicate(layer)(observation)[0], layer(observation)[0])
