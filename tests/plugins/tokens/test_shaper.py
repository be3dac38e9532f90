"""The token shaper."""

from __future__ import annotations

import copy
import json
import pickle
import re
from math import isfinite

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensordict import TensorDict

from glulam import GlulamError
from glulam_tokens.configs import TokenShaperConfig
from tests.plugins.tokens.worlds import (
    factors_of,
    observations,
    reading,
    with_padding_rewritten,
    world,
    worlds,
)

BLANK = [255.0, 255.0, 0.0]


def shaper(env):
    return TokenShaperConfig().build(env.obs_meta())


def shaped(env, rows):
    """Tokens and mask of rows given as lists of tokens, padded to the world's count."""
    observation = np.full((len(rows), env.num_tokens, 3), 255, np.uint8)
    for row, tokens in enumerate(rows):
        observation[row, : len(tokens)] = tokens
    return torch.from_numpy(observation)


def expected(env, observation, vocabulary, factors):
    """Token by token: location, row of the name in the policy's vocabulary, value by the policy's factor."""
    out = np.empty((*observation.shape[:2], 3))
    for index in np.ndindex(observation.shape[:2]):
        read = reading(env, observation[index], vocabulary, factors)
        if read is None:
            out[index] = BLANK
            continue
        location, name, value = read
        place = 254 if location == env.tokens.global_location else location
        out[index] = place, vocabulary.index(name), value or 0.0
    return torch.from_numpy(out).float()


class TestLaws:
    """Oracle: `expected`, a loop over tokens that searches the lists of the EnvSpec."""

    @settings(deadline=None, max_examples=50)
    @given(st.data())
    def test_every_token_is_read_as_the_spec_says(self, data):
        env = data.draw(worlds())
        observation = data.draw(observations(env))
        tokens, mask = shaper(env)(torch.from_numpy(observation))
        wanted = expected(env, observation, list(env.vocabulary), factors_of(env))
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
        wanted = expected(second, observation, list(first.vocabulary), factors_of(first))
        torch.testing.assert_close(tokens, wanted, rtol=0, atol=0)
        unknown = set(second.vocabulary) - set(first.vocabulary)
        assert set(layer.masked_names) == unknown

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


class TestDefectsOfTheOriginal:
    """Oracle: values worked out by hand; each test is one defect listed in the facts about peers."""

    def test_a_normalised_value_keeps_its_fraction(self):
        env = world([("hp", 3, 10.0)])
        tokens, _ = shaper(env)(shaped(env, [[(0x55, 3, 7)]]))
        assert tokens[0, 0].tolist() == pytest.approx([0x55, 0, 0.7])

    def test_the_policys_own_factor_holds_in_a_new_world(self):
        layer = shaper(world([("hp", 3, 10.0), ("ore", 5, 2.0)]))
        new = world([("hp", 5, 100.0), ("ore", 3, 4.0)])
        layer.initialize_to_environment(new)
        tokens, _ = layer(shaped(new, [[(0, 5, 7), (0, 3, 7)]]))
        # Rows are those of the first world: hp had the lower id there.
        assert tokens[0, :2].tolist() == [[0, 0, pytest.approx(0.7)], [0, 1, pytest.approx(3.5)]]

    def test_a_new_feature_takes_no_id_that_another_owns(self):
        layer = shaper(world([("hp", 3, 1.0)]))
        new = world([("mana", 3, 1.0), ("hp", 4, 1.0)])
        layer.initialize_to_environment(new)
        tokens, mask = layer(shaped(new, [[(0x12, 3, 9), (0x12, 4, 9)]]))
        assert tokens[0, :2].tolist() == [BLANK, [0x12, 0, 9]]
        assert mask[0, :2].tolist() == [False, True]
        assert layer.masked_names == ("mana",)

    def test_gaps_in_feature_ids_are_no_matter(self):
        env = world([("a", 0, 1.0), ("b", 200, 1.0), ("c", 255, 1.0)])
        tokens, mask = shaper(env)(shaped(env, [[(1, 255, 1), (1, 0, 2), (1, 200, 3), (1, 100, 4)]]))
        assert tokens[0, :4, 1].tolist() == [2, 0, 1, 255]
        assert mask[0, :4].tolist() == [True, True, True, False]

    def test_a_hole_in_the_longest_row_keeps_the_tokens_behind_it(self):
        env = world([("a", 0, 1.0)], count=6)
        layer = shaper(env)
        rows = shaped(env, [[(1, 0, 1), (255, 0, 0), (2, 0, 2), (255, 0, 0), (3, 0, 3)], [(1, 0, 1)]])
        stripped = layer.strip(rows)
        assert stripped.shape == (2, 5, 3)
        tokens, mask = layer(stripped)
        assert mask.tolist() == [[True, False, True, False, True], [True, False, False, False, False]]
        assert tokens[0, :, 2].tolist() == [1, 0, 2, 0, 3]

    @pytest.mark.parametrize("count", [1, 7, 500])
    def test_no_number_of_tokens_is_built_in(self, count):
        env = world([("a", 0, 1.0)], count=count)
        _, mask = shaper(env)(shaped(env, [[(1, 0, 1)] * count]))
        assert mask.shape == (1, count)
        assert mask.all()

    def test_names_and_factors_are_in_the_saved_state(self):
        env = world([("hp", 3, 10.0), ("tag", 4, "tag")], tags=["altar", "wall"])
        state = shaper(env).state_dict()
        assert state == {"_extra_state": {"vocabulary": [["hp", 10.0], ["tag:altar", None], ["tag:wall", None]]}}


class TestTokens:
    """Oracle: values worked out by hand."""

    def test_categories_have_a_row_a_name_and_no_value(self):
        env = world([("tag", 2, "tag"), ("last", 1, "action"), ("hp", 9, 1.0)], tags=["x", "y"], actions=["go"])
        assert env.vocabulary == ("hp", "last:go", "tag:x", "tag:y")
        rows = [[(0, 2, 0), (0, 2, 1), (0, 2, 2), (254, 1, 0), (0, 9, 0)]]
        tokens, mask = shaper(env)(shaped(env, rows))
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
        observation = shaped(env, [[(1, 0, 1), (1, 7, 1)]])
        before = observation.clone()
        shaper(env)(observation)
        assert torch.equal(observation, before)

    def test_runs_alone_on_a_tensordict(self):
        env = world([("a", 0, 2.0)])
        layer = TokenShaperConfig(out_key="seen").instantiate(env.obs_meta())
        td = layer(TensorDict({"env_obs": shaped(env, [[(1, 0, 1)]])}, batch_size=[1]))
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


class TestErrors:
    """Oracle: the message."""

    def test_too_many_names(self):
        env = world([("tag", 0, "tag")], tags=[f"t{number}" for number in range(256)])
        message = "environment 'drawn' has 256 names (features, tags, actions); token_shaper holds at most 255"
        with pytest.raises(GlulamError, match=f"^{re.escape(message)}$"):
            shaper(env)

    @pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
    def test_a_factor_that_cannot_divide(self, factor):
        message = f"^feature 'hp' is normalised by {factor}; that must be a positive number$"
        if not isfinite(factor):  # the spec itself holds finite numbers only
            message = rf"^obs_meta: expected a finite number, found {factor} @ \$\.features\[0\]\.normalization$"
        with pytest.raises(GlulamError, match=message):
            shaper(world([("hp", 0, factor)]))

    def test_a_name_for_two_things(self):
        env = world([("tag:wall", 0, 1.0), ("tag", 1, "tag")], tags=["wall"])
        message = "^environment 'drawn': 'tag:wall' names two things; rename the feature or the tag$"
        with pytest.raises(GlulamError, match=message):
            shaper(env)

    def test_too_few_columns(self):
        message = "^environment 'drawn': a token has 2 columns; TokenShaper needs location, feature id and value$"
        with pytest.raises(GlulamError, match=message):
            shaper(world([("a", 0, 1.0)], columns=2))

    def test_no_environment_spec(self):
        with pytest.raises(GlulamError, match="^obs_meta: "):
            TokenShaperConfig().build({"name": "nothing"})
