"""The token shaper: defects of the original that it does not have, raw values, and what it refuses."""

from __future__ import annotations

import re
from math import isfinite

import pytest

from glulam import GlulamError
from glulam_tokens.configs import TokenShaperConfig
from tests.plugins.tokens.oracles import BLANK
from tests.plugins.tokens.worlds import observed, world


def shaper(env):
    return TokenShaperConfig().build(env.obs_meta())


class TestDefectsOfTheOriginal:
    """Oracle: values worked out by hand; each test is one defect listed in the facts about peers."""

    def test_a_normalised_value_keeps_its_fraction(self):
        env = world([("hp", 3, 10.0)])
        tokens, _ = shaper(env)(observed(env, [(0x55, 3, 7)]))
        assert tokens[0, 0].tolist() == pytest.approx([0x55, 0, 0.7])

    def test_the_policys_own_factor_holds_in_a_new_world(self):
        layer = shaper(world([("hp", 3, 10.0), ("ore", 5, 2.0)]))
        new = world([("hp", 5, 100.0), ("ore", 3, 4.0)])
        layer.initialize_to_environment(new)
        tokens, _ = layer(observed(new, [(0, 5, 7), (0, 3, 7)]))
        # Rows are those of the first world: hp had the lower id there.
        assert tokens[0, :2].tolist() == [[0, 0, pytest.approx(0.7)], [0, 1, pytest.approx(3.5)]]

    def test_a_new_feature_takes_no_id_that_another_owns(self):
        layer = shaper(world([("hp", 3, 1.0)]))
        new = world([("mana", 3, 1.0), ("hp", 4, 1.0)])
        layer.initialize_to_environment(new)
        tokens, mask = layer(observed(new, [(0x12, 3, 9), (0x12, 4, 9)]))
        assert tokens[0, :2].tolist() == [BLANK, [0x12, 0, 9]]
        assert mask[0, :2].tolist() == [False, True]
        assert layer.name_report().masked == ("mana",)

    def test_gaps_in_feature_ids_are_no_matter(self):
        env = world([("a", 0, 1.0), ("b", 200, 1.0), ("c", 255, 1.0)])
        tokens, mask = shaper(env)(observed(env, [(1, 255, 1), (1, 0, 2), (1, 200, 3), (1, 100, 4)]))
        assert tokens[0, :4, 1].tolist() == [2, 0, 1, 255]
        assert mask[0, :4].tolist() == [True, True, True, False]

    def test_a_hole_in_the_longest_row_keeps_the_tokens_behind_it(self):
        env = world([("a", 0, 1.0)], count=6)
        layer = shaper(env)
        rows = observed(env, [(1, 0, 1), (255, 0, 0), (2, 0, 2), (255, 0, 0), (3, 0, 3)], [(1, 0, 1)])
        stripped = layer.strip(rows)
        assert stripped.shape == (2, 5, 3)
        tokens, mask = layer(stripped)
        assert mask.tolist() == [[True, False, True, False, True], [True, False, False, False, False]]
        assert tokens[0, :, 2].tolist() == [1, 0, 2, 0, 3]

    @pytest.mark.parametrize("count", [1, 7, 500])
    def test_no_number_of_tokens_is_built_in(self, count):
        env = world([("a", 0, 1.0)], count=count)
        _, mask = shaper(env)(observed(env, [(1, 0, 1)] * count))
        assert mask.shape == (1, count)
        assert mask.all()

    def test_names_and_factors_are_in_the_saved_state(self):
        env = world([("hp", 3, 10.0), ("tag", 4, "tag")], tags=["altar", "wall"])
        state = shaper(env).state_dict()
        assert state == {"_extra_state": {"vocabulary": [["hp", 10.0], ["tag:altar", None], ["tag:wall", None]]}}


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
