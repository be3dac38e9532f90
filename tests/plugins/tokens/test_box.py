"""The box shaper."""

from __future__ import annotations

import copy
import json
import re

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tensordict import TensorDict

from glulam import GlulamError
from glulam_tokens.configs import BoxShaperConfig
from tests.plugins.tokens.oracles import expected_box
from tests.plugins.tokens.worlds import factors_of, observations, observed, with_padding_rewritten, world, worlds

seen_worlds = worlds().filter(lambda env: env.vocabulary)


def shaper(env, num_channels=None):
    return BoxShaperConfig(num_channels=num_channels).build(env.obs_meta())


def boxed(env, *rows, layer=None):
    """The box of rows given as lists of tokens."""
    return (layer or shaper(env))(observed(env, *rows))


def without_last_feature(env):
    """The world without its last feature; its other features have the ids 1, 2, ... and other factors."""
    features = [
        (feature.name, number, feature.values if feature.values != "number" else 7.0)
        for number, feature in enumerate(env.features[:-1], start=1)
    ]
    layout = {"padding": env.tokens.padding, "global_location": env.tokens.global_location}
    view = (env.view_height, env.view_width)
    return world(features, view=view, tags=env.tags[::-1], actions=env.actions.names, count=env.num_tokens, **layout)


class TestLaws:
    """Oracle: `expected_box`, a loop over tokens that searches the lists of the EnvSpec."""

    @settings(deadline=None, max_examples=50)
    @given(st.data())
    def test_every_token_stands_where_the_spec_says(self, data):
        env = data.draw(seen_worlds)
        observation = data.draw(observations(env))
        box = shaper(env)(torch.from_numpy(observation))
        wanted = expected_box(env, observation, list(env.vocabulary), factors_of(env))
        torch.testing.assert_close(box, wanted, rtol=0, atol=0)

    @settings(deadline=None, max_examples=25)
    @given(st.data())
    def test_in_another_world_names_keep_their_channels_and_factors(self, data):
        first = data.draw(seen_worlds)
        assume(len(first.features) > 1)
        second = without_last_feature(first)
        layer = shaper(first)
        layer.initialize_to_environment(second)
        observation = data.draw(observations(second))
        box = layer(torch.from_numpy(observation))
        wanted = expected_box(second, observation, list(first.vocabulary), factors_of(first))
        torch.testing.assert_close(box, wanted, rtol=0, atol=0)

    @settings(deadline=None, max_examples=25)
    @given(st.data())
    def test_neither_order_nor_what_stands_in_padding_matters(self, data):
        env = data.draw(seen_worlds)
        observation = data.draw(observations(env))
        layer = shaper(env)
        changed = with_padding_rewritten(env, observation, data.draw(st.integers(0, 255)))
        changed = changed[:, data.draw(st.permutations(range(env.num_tokens)))]
        assert torch.equal(layer(torch.from_numpy(observation)), layer(torch.from_numpy(changed)))

    @settings(deadline=None, max_examples=25)
    @given(st.data())
    def test_rows_do_not_see_each_other_and_stripping_changes_nothing(self, data):
        env = data.draw(seen_worlds)
        observation = torch.from_numpy(data.draw(observations(env)))
        layer = shaper(env)
        box = layer(observation)
        assert torch.equal(layer(layer.strip(observation)), box)
        for row in range(len(observation)):
            assert torch.equal(layer(observation[row : row + 1])[0], box[row])

    @settings(deadline=None, max_examples=20)
    @given(seen_worlds)
    def test_there_and_back_again_gives_the_same_tables(self, env):
        layer = shaper(env)
        before = {name: table.clone() for name, table in layer.named_buffers()}
        layer.initialize_to_environment(without_last_feature(env))
        layer.initialize_to_environment(env)
        after = dict(layer.named_buffers())
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name]) for name in before)


class TestVectors:
    """Oracle: the box that the original made of the reference tokens."""

    def test_equals_the_original(self, vectors, vectors_world):
        arrays = vectors("fast")
        layer = shaper(vectors_world)
        torch.testing.assert_close(layer(arrays["in/tokens"]), arrays["out/box"], rtol=0, atol=0)


class TestDefectsOfTheOriginal:
    """Oracle: boxes worked out by hand; each test is one defect listed in the facts about peers."""

    def test_padding_does_not_overwrite_cell_0_of_feature_0(self):
        env = world([("a", 0, 2.0)], view=(3, 3))
        for padding in ((255, 255, 255), (255, 0, 0), (255, 0, 9)):
            box = boxed(env, [(0x00, 0, 3), padding, padding])
            assert box[0, 0].tolist() == [[1.5, 0, 0], [0, 0, 0], [0, 0, 0]]

    def test_places_outside_the_view_reach_no_other_cell(self):
        env = world([("a", 0, 1.0), ("b", 1, 1.0)], view=(3, 5))
        outside = [(row << 4 | column, 0, 1) for row, column in ((0, 5), (3, 0), (2, 7), (14, 14), (15, 0))]
        box = boxed(env, [*outside, (0x24, 1, 1)])
        assert box.nonzero().tolist() == [[0, 1, 2, 4]]

    def test_gaps_in_feature_ids_are_no_matter(self):
        env = world([("a", 0, 1.0), ("b", 200, 1.0), ("c", 255, 1.0)], view=(1, 1))
        box = boxed(env, [(0, 255, 1), (0, 0, 2), (0, 200, 3), (0, 100, 4)])
        assert box[0, :, 0, 0].tolist() == [2, 3, 1]

    def test_a_normalised_value_keeps_its_fraction(self):
        env = world([("a", 0, 10.0)], view=(1, 1))
        assert boxed(env, [(0, 0, 7)]).item() == pytest.approx(0.7)

    def test_several_tags_in_a_cell_all_stay(self):
        env = world([("tag", 6, "tag")], view=(1, 2), tags=["a", "b", "c"])
        box = boxed(env, [(0x01, 6, 2), (0x01, 6, 0), (0x00, 6, 1), (0x00, 6, 1), (0x00, 6, 3)])
        assert box[0, :, 0].tolist() == [[0, 1], [1, 0], [0, 1]]

    def test_no_view_and_no_number_of_tokens_is_built_in(self):
        env = world([("a", 0, 1.0)], view=(15, 13), count=500)
        box = boxed(env, [(0xEC, 0, 1)] * 500)
        assert box.shape == (1, 1, 15, 13)
        assert box.nonzero().tolist() == [[0, 0, 14, 12]]

    def test_a_hole_keeps_the_tokens_behind_it(self):
        env = world([("a", 0, 1.0)], view=(1, 3), count=6)
        layer = shaper(env)
        rows = torch.full((2, 6, 3), 255, dtype=torch.uint8)
        rows[0, 4] = torch.tensor([2, 0, 5])
        assert layer(layer.strip(rows)).tolist() == [[[[0, 0, 5]]], [[[0, 0, 0]]]]


class TestRules:
    """Oracle: boxes worked out by hand."""

    def test_a_global_token_stands_at_the_agents_cell(self):
        env = world([("a", 0, 4.0), ("last", 1, "action")], view=(3, 5), actions=["go", "stay"])
        box = boxed(env, [(254, 0, 2), (254, 1, 1)])
        assert box.nonzero().tolist() == [[0, 0, 1, 2], [0, 2, 1, 2]]
        assert box[0, :, 1, 2].tolist() == [0.5, 0, 1]

    @pytest.mark.parametrize("values", [(3, 8, 5), (8, 5, 3), (3, 5, 8)])
    def test_of_two_values_for_one_cell_the_larger_stays(self, values):
        env = world([("a", 0, 2.0)], view=(1, 1))
        assert boxed(env, [(0, 0, value) for value in values]).item() == 4

    def test_lies_in_memory_as_channels_last(self):
        env = world([("a", 0, 1.0), ("b", 1, 1.0)], view=(3, 4))
        box = boxed(env, [(0, 0, 1)], [(1, 0, 1)])
        assert box.shape == (2, 2, 3, 4)
        assert box.is_contiguous(memory_format=torch.channels_last)

    def test_channels_beyond_the_names_stay_zero(self):
        env = world([("a", 0, 1.0)], view=(1, 1))
        assert boxed(env, [(0, 0, 5)], layer=shaper(env, 3)).flatten().tolist() == [5, 0, 0]

    def test_runs_alone_on_a_tensordict(self):
        env = world([("a", 0, 1.0)], view=(1, 1))
        layer = BoxShaperConfig().instantiate(env.obs_meta())
        td = layer(TensorDict({"env_obs": torch.zeros(2, 8, 3, dtype=torch.uint8)}, batch_size=[2]))
        assert td["box"].shape == (2, 1, 1, 1)


class TestOtherWorlds:
    """Oracle: the message, or boxes worked out by hand."""

    def test_a_world_with_new_names_is_refused_by_name(self):
        layer = shaper(world([("a", 0, 1.0)], tags=["x"]))
        new = world([("a", 0, 1.0), ("b", 1, 1.0), ("tag", 2, "tag")], tags=["x"])
        message = (
            "environment 'drawn' has 'b', 'tag:x', for which the policy's box has no channel; train a new model, "
            "or take a policy that reads tokens (token_shaper): it masks what it does not know"
        )
        with pytest.raises(GlulamError, match=f"^{re.escape(message)}$"):
            layer.initialize_to_environment(new)

    def test_a_refused_world_leaves_the_layer_as_it_was(self):
        env = world([("a", 0, 1.0)], view=(1, 1))
        layer = shaper(env)
        with pytest.raises(GlulamError):
            layer.initialize_to_environment(world([("b", 0, 1.0)], view=(2, 2)))
        assert boxed(env, [(0, 0, 5)], layer=layer).item() == 5

    def test_loaded_in_a_larger_world_it_says_which_name_is_new(self):
        """As a checkpoint is loaded: built for the new world, then given its own names, then initialised."""
        state = json.loads(json.dumps(shaper(world([("b", 0, 1.0), ("c", 1, 1.0)])).state_dict()))
        larger = world([("a", 0, 1.0), ("b", 1, 1.0), ("c", 2, 1.0)])
        layer = shaper(larger, 2)
        layer.load_state_dict(state)
        with pytest.raises(GlulamError, match=r"^environment 'drawn' has 'a', for which"):
            layer.initialize_to_environment(larger)

    def test_loaded_in_a_smaller_world_it_keeps_its_channels(self):
        state = json.loads(json.dumps(shaper(world([("b", 0, 2.0), ("c", 1, 4.0)])).state_dict()))
        smaller = world([("c", 9, 1.0)], view=(1, 1))
        layer = shaper(smaller, 2)
        layer.load_state_dict(state)
        assert boxed(smaller, [(0, 9, 5)], layer=layer).flatten().tolist() == [0, 1.25]

    def test_nothing_to_see(self):
        message = "^environment 'drawn' has nothing to see: a box needs at least one channel$"
        with pytest.raises(GlulamError, match=message):
            shaper(world([("tag", 0, "tag")]))

    def test_too_few_channels(self):
        env = world([("a", 0, 1.0), ("b", 1, 1.0)])
        message = "^num_channels is 1, but there are 2 names; leave the field out$"
        with pytest.raises(GlulamError, match=message):
            boxed(env, [(0, 0, 1)], layer=shaper(env, 1))


class TestModule:
    """Oracle: torch itself."""

    def test_compiles_whole(self):
        env = world([("a", 0, 2.0), ("tag", 1, "tag")], tags=["x"])
        layer = shaper(env)
        compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
        for count in (8, 5):
            observation = torch.randint(0, 256, (3, count, 3), dtype=torch.uint8)
            assert torch.equal(compiled(observation), layer(observation))

    def test_follows_dtype_and_device(self):
        env = world([("a", 0, 3.0)], view=(1, 1))
        layer = shaper(env).double()
        layer.initialize_to_environment(env)
        box = boxed(env, [(0, 0, 1)], layer=layer)
        assert torch.equal(box.flatten(), torch.tensor([1 / 3], dtype=torch.float64))
        copied = copy.deepcopy(layer)
        copied.initialize_to_environment(env, "meta")
        assert {table.device.type for table in copied.buffers()} == {"meta"}
        assert {table.device.type for table in layer.buffers()} == {"cpu"}
