"""Names of other worlds: what both shapers learn of them, and what they report."""

from __future__ import annotations

import json
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glulam import ActionSpec, BoxLayout, EnvSpec, GlulamError, NameReport
from glulam_tokens.configs import BoxShaperConfig, TokenShaperConfig
from tests.plugins.tokens.oracles import expected_box, expected_tokens
from tests.plugins.tokens.worlds import factors_of, observations, observed, world, worlds

NUMBERS = EnvSpec(name="numbers", box=BoxLayout(shape=(3,), dtype="float32"), actions=ActionSpec(names=("go",)))
HOME = world([("hp", 3, 10.0), ("tag", 1, "tag")], view=(3, 3), tags=["wall"])
ABROAD = world([("mana", 0, 4.0), ("tag", 3, "tag"), ("hp", 9, 5.0)], view=(3, 3), tags=["altar", "wall"])

SHAPERS = {
    "token_shaper": lambda env: TokenShaperConfig().build(env.obs_meta()),
    "box_shaper": lambda env: BoxShaperConfig(num_channels=40).build(env.obs_meta()),
}
both = pytest.mark.parametrize("shaper", SHAPERS.values(), ids=SHAPERS)


def names_of(layer):
    return list(layer.vocabulary.factors)


def tables(layer):
    return {name: table.clone() for name, table in layer.named_buffers()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@both
class TestLearning:
    """Oracle: lists of names put together by hand, or the loops over tokens of `oracles`."""

    def test_new_names_stand_behind_the_known_ones_with_their_worlds_factors(self, shaper):
        layer = shaper(HOME)
        assert layer.learn_names(ABROAD) == ("mana", "tag:altar")
        wanted = [["hp", 10.0], ["tag:wall", None], ["mana", 4.0], ["tag:altar", None]]
        assert layer.get_extra_state() == {"vocabulary": wanted}
        assert layer.learn_names(ABROAD) == ()
        assert layer.get_extra_state() == {"vocabulary": wanted}

    @settings(deadline=None, max_examples=15)
    @given(st.data())
    def test_what_was_learned_is_read_as_the_spec_says(self, shaper, data):
        first, second = data.draw(worlds().filter(lambda env: env.vocabulary)), data.draw(worlds())
        layer = shaper(first)
        new = layer.learn_names(second)
        layer.initialize_to_environment(second)
        names = [*first.vocabulary, *(name for name in second.vocabulary if name not in first.vocabulary)]
        assert names == names_of(layer)
        assert new == tuple(names[len(first.vocabulary) :])
        factors = factors_of(second) | factors_of(first)  # a name known already keeps its own
        observation = data.draw(observations(second))
        out = layer(torch.from_numpy(observation))
        if isinstance(out, tuple):
            assert torch.equal(out[0], expected_tokens(second, observation, names, factors))
        else:
            assert torch.equal(out[:, : len(names)], expected_box(second, observation, names, factors))
            assert not out[:, len(names) :].any()

    def test_there_and_back_again_rows_are_only_added(self, shaper):
        layer = shaper(HOME)
        before, names = tables(layer), names_of(layer)
        layer.learn_names(ABROAD)
        assert same(tables(layer), before)  # until the world is entered
        layer.initialize_to_environment(ABROAD)
        assert not same(tables(layer), before)
        layer.initialize_to_environment(HOME)
        assert same(tables(layer), before)
        assert names_of(layer)[: len(names)] == names

    def test_what_was_learned_is_saved(self, shaper):
        layer = shaper(HOME)
        layer.learn_names(ABROAD)
        loaded = shaper(HOME)
        loaded.load_state_dict(json.loads(json.dumps(layer.state_dict())))
        for moved in (layer, loaded):
            moved.initialize_to_environment(ABROAD)
        assert same(tables(loaded), tables(layer))

    @pytest.mark.parametrize(
        ("world_of", "message"),
        [
            (lambda: NUMBERS, "shows no tokens but numbers"),
            (lambda: world([("new", 0, 1.0)], columns=2), "a token has 2 columns"),
            (lambda: world([("new", 0, 0.0)]), "feature 'new' is normalised by 0.0; that must be a positive number"),
            (lambda: world([("tag:x", 0, 1.0), ("tag", 1, "tag")], tags=["x"]), "'tag:x' names two things"),
        ],
    )
    def test_a_world_that_is_refused_changes_nothing(self, shaper, world_of, message):
        layer = shaper(HOME)
        before, state = tables(layer), layer.get_extra_state()
        with pytest.raises(GlulamError, match=message):
            layer.learn_names(world_of())
        assert layer.get_extra_state() == state
        assert same(tables(layer), before)


class TestRoom:
    """Oracle: the message."""

    def test_tokens_have_room_for_255_names(self):
        layer = SHAPERS["token_shaper"](world([(f"f{number}", number, 1.0) for number in range(200)]))
        large = world([(f"g{number}", number, 1.0) for number in range(56)])
        message = (
            "with environment 'drawn' there are 256 names (features, tags, actions); token_shaper holds at most 255"
        )
        with pytest.raises(GlulamError, match=f"^{re.escape(message)}$"):
            layer.learn_names(large)
        assert len(layer.vocabulary) == 200
        assert len(layer.learn_names(world([(f"g{number}", number, 1.0) for number in range(55)]))) == 55
        assert len(layer.vocabulary) == 255

    def test_a_box_has_room_for_its_channels(self):
        layer = BoxShaperConfig(num_channels=3).build(HOME.obs_meta())
        message = (
            "environment 'drawn' has 'tag:altar', for which there is no channel left: num_channels is 3, and there are "
            "2 names and 2 new ones; train a model with num_channels of 4 or more, or take a policy that reads tokens "
            "(token_shaper)"
        )
        with pytest.raises(GlulamError, match=f"^{re.escape(message)}$"):
            layer.learn_names(ABROAD)
        assert names_of(layer) == ["hp", "tag:wall"]
        fits = BoxShaperConfig(num_channels=4).build(HOME.obs_meta())
        assert fits.learn_names(ABROAD) == ("mana", "tag:altar")
        fits.initialize_to_environment(ABROAD)
        box = fits(observed(ABROAD, [(0x00, 0, 6), (0x00, 3, 0), (0x00, 9, 5)]))
        assert box[0, :, 0, 0].tolist() == [0.5, 0, 1.5, 1]

    def test_a_box_of_too_many_names_already_learns_nothing_of_a_known_world(self):
        layer = BoxShaperConfig(num_channels=1).build(HOME.obs_meta())
        assert layer.learn_names(HOME) == ()


class TestReports:
    """Oracle: reports written by hand."""

    @both
    def test_at_home_all_is_mapped(self, shaper):
        assert shaper(HOME).name_report() == NameReport(mapped=("hp", "tag:wall"), masked=(), absent=())

    def test_what_is_not_learned_is_masked(self):
        layer = SHAPERS["token_shaper"](HOME)
        layer.initialize_to_environment(ABROAD)
        report = NameReport(mapped=("hp", "tag:wall"), masked=("mana", "tag:altar"), absent=())
        assert layer.name_report() == report

    @both
    def test_what_is_learned_is_mapped_and_absent_elsewhere(self, shaper):
        layer = shaper(HOME)
        layer.learn_names(ABROAD)
        layer.initialize_to_environment(ABROAD)
        mapped = ("mana", "hp", "tag:altar", "tag:wall")
        assert layer.name_report() == NameReport(mapped=mapped, masked=(), absent=())
        layer.initialize_to_environment(HOME)
        absent = ("mana", "tag:altar")
        assert layer.name_report() == NameReport(mapped=("hp", "tag:wall"), masked=(), absent=absent)

    @settings(deadline=None, max_examples=15)
    @given(worlds(), worlds())
    def test_any_two_worlds(self, first, second):
        layer = SHAPERS["token_shaper"](first)
        layer.initialize_to_environment(second)
        report = layer.name_report()
        assert set(report.masked) == set(second.vocabulary) - set(first.vocabulary)
        assert set(report.absent) == set(first.vocabulary) - set(second.vocabulary)
        assert set(report.mapped) == set(first.vocabulary) & set(second.vocabulary)
