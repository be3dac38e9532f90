"""Defects of the original in what a policy sees; each test states one and would fail if we had it."""

import attrs
import pytest
import torch
from tensordict import TensorDict
from torch.optim import SGD, AdamW

from glulam_tokens import _tokenizer
from glulam_tokens._shaper import Shaper
from glulam_tokens._tokenizer import learned_rows
from glulam_tokens.box import BoxShaper
from glulam_tokens.configs import (
    BoxShaperConfig,
    CategoricalTokensConfig,
    FourierTokensConfig,
    LearnedTokensConfig,
    RopeTokensConfig,
    TokenShaperConfig,
)
from glulam_tokens.vocabulary import Vocabulary
from tests.original.conftest import small
from tests.plugins.policies.conftest import step_of
from tests.plugins.tokens.oracles import expected_box
from tests.plugins.tokens.worlds import factors_of, observed, world

HOME = world([("hp", 3, 10.0), ("gold", 0, 4.0)], view=(3, 3))
ABROAD = world([("mana", 3, 2.0), ("hp", 9, 5.0)], view=(3, 3))  # hp's old id is another's, its factor is new
GOLD, HP, PADDING = 0, 1, 255  # rows at home

TOKENIZERS = (FourierTokensConfig, LearnedTokensConfig, CategoricalTokensConfig, RopeTokensConfig)
table = Vocabulary.table


def tokens_in(env, *tokens, shaper=None):
    """Return what the token shaper of HOME makes of one row in a world: `[N, 3]`."""
    shaper = shaper or TokenShaperConfig().build(HOME.obs_meta())
    shaper.initialize_to_environment(env)
    return shaper(observed(env, tokens))[0][0]


def box_of(*tokens, env=HOME):
    """Return the box of one row: `[C, H, W]`."""
    return BoxShaperConfig().build(env.obs_meta())(observed(env, tokens))[0]


class TestNames:
    """Oracle: the row and the value that a reader of the world's lists gives a token, written out."""

    def test_a_normalised_value_keeps_its_fraction(self):
        """Value / normalisation was truncated to uint8: 7 / 10 became 0."""
        assert tokens_in(HOME, (0, 3, 7))[0].tolist() == [0, HP, pytest.approx(0.7)]
        assert box_of((0, 3, 7))[HP, 0, 0].item() == pytest.approx(0.7)

    def test_in_another_world_a_name_keeps_its_own_factor(self):
        """Ids were mapped and then normalised with the new world's table: 6 / 5, or mana's 6 / 2."""
        assert tokens_in(ABROAD, (0, 9, 6))[0].tolist() == [0, HP, pytest.approx(0.6)]

    def test_there_and_back_again(self):
        """The mapping of worlds A, B, A stayed at B's."""
        shaper = TokenShaperConfig().build(HOME.obs_meta())
        before = tokens_in(HOME, (0, 3, 7), (0, 0, 2), shaper=shaper)
        assert not torch.equal(tokens_in(ABROAD, (0, 3, 7), (0, 0, 2), shaper=shaper), before)
        assert torch.equal(tokens_in(HOME, (0, 3, 7), (0, 0, 2), shaper=shaper), before)

    def test_a_new_feature_takes_nobodys_place(self):
        """A new feature took an id that another owned: mana was read as hp. Unknown it is masked, learned it is new."""
        assert tokens_in(ABROAD, (0, 3, 7))[0].tolist() == [PADDING, PADDING, 0]
        shaper = TokenShaperConfig().build(HOME.obs_meta())
        assert shaper.learn_names(ABROAD) == ("mana",)
        mana, hp = tokens_in(ABROAD, (0, 3, 7), (0, 9, 6), shaper=shaper)[:2].tolist()
        assert mana == [0, 2, 3.5]
        assert hp == [0, HP, pytest.approx(0.6)]

    def test_gaps_in_feature_ids(self):
        """Ids were indices of a list as long as there are features: a gap crashed."""
        env = world([("a", 7, 1.0), ("b", 200, 2.0), ("c", 255, 4.0)], view=(3, 3))
        box = box_of((0, 7, 8), (0x11, 200, 8), (0x22, 255, 8), env=env)
        assert box.nonzero().tolist() == [[0, 0, 0], [1, 1, 1], [2, 2, 2]]
        assert box[box > 0].tolist() == [8, 4, 2]


class TestBox:
    """Oracle: the one cell that may hold something, written out."""

    def test_padding_is_not_written_over_the_first_cell(self):
        """Padding tokens overwrote the real cell of feature 0 at x 0, y 0."""
        box = box_of((0x00, 0, 2), (255, 0, 3), (255, 255, 255), (255, 0, 0))
        assert box.nonzero().tolist() == [[GOLD, 0, 0]]
        assert box[GOLD, 0, 0] == 0.5

    def test_a_place_outside_the_view_is_in_no_cell(self):
        """Coordinates outside the view aliased into other cells: row 0, column 5 of a 3 x 3 view is not row 1."""
        assert not box_of((0x05, 3, 7), (0x50, 3, 7), (0x33, 3, 7), (0xFD, 0, 7)).any()


@pytest.mark.parametrize("optimizer", [SGD, AdamW])
@pytest.mark.parametrize("config", TOKENIZERS)
def test_the_row_of_padding_is_zero_and_stays_so(config, optimizer):
    """The padding row of the embedding was not zero, at first and after steps with weight decay and momentum."""
    layer = config().build()
    layer.initialize_to_environment(HOME)
    assert not layer.embedding.weight[PADDING].any()
    step_with_padding(layer, optimizer)
    assert not layer.embedding.weight[PADDING].any()
    assert layer.embedding.weight[HP].any()


def step_with_padding(layer, optimizer):
    momentum = {"momentum": 0.9} if optimizer is SGD else {}
    steps = optimizer(layer.parameters(), lr=0.1, weight_decay=0.1, **momentum)
    tokens = torch.tensor([[[0.0, HP, 1.0], [255, PADDING, 0]]])
    for _ in range(3):
        steps.zero_grad()
        layer(tokens).square().add(layer(tokens)).sum().backward()
        steps.step()


class TestSizes:
    """Oracle: a loop over tokens for the box; the same policy without the token in question elsewhere."""

    WIDE = world([("ore", 2, 10.0), ("heart", 12, 100.0)], view=(7, 9), count=40, columns=4)

    def test_any_count_columns_and_view(self):
        """200 x 3 tokens and a view of 11 were written into the code; here are 40 x 4, and 7 x 9."""
        td = step_of(self.WIDE, 3, torch.Generator().manual_seed(0))
        expected = expected_box(self.WIDE, td["env_obs"].numpy(), ["ore", "heart"], factors_of(self.WIDE))
        more = torch.full((3, 40, 1), 9, dtype=torch.uint8)
        td["env_obs"] = torch.cat((td["env_obs"], more), -1)  # (3, 40, 4)
        box = BoxShaperConfig().build(self.WIDE.obs_meta())(td["env_obs"])
        assert box.shape == (3, 2, 7, 9)
        assert torch.equal(box, expected)
        assert small(env=self.WIDE)(td)["actions"].shape == (3,)

    @pytest.mark.parametrize("count", [12, 300])
    def test_a_hole_drops_nothing_behind_it(self, count):
        """Padding in the middle of the longest row dropped the tokens behind it, one a hole."""
        env = world([("ore", 2, 10.0)], count=count)
        holes = observed(env, [(0x11, 2, 1), (255, 255, 255), (0x22, 2, 2), (255, 255, 255), (0x33, 2, 3)])
        whole = observed(env, [(0x11, 2, 1), (0x22, 2, 2), (0x33, 2, 3)])
        policy = small(env=env)
        assert policy._inputs({"env_obs": holes}, torch.Size([1]))["env_obs"].shape == (1, 5, 3)
        torch.testing.assert_close(values(policy, holes), values(policy, whole))

    @pytest.mark.parametrize(("declared", "shown"), [(300, 300), (12, 50)])
    def test_no_token_is_one_too_many(self, declared, shown):
        """More than N tokens were dropped without a word, by a number in the code or by what was declared."""
        policy = small(env=world([("ore", 2, 10.0)], count=declared))
        row = torch.tensor([0x11, 2, 1], dtype=torch.uint8).repeat(1, shown, 1)
        other = row.clone()
        other[0, -1] = torch.tensor([0x99, 2, 250])
        assert (values(policy, row) - values(policy, other)).abs().max() > 1e-3


def values(policy, obs):
    nothing = torch.zeros(len(obs), dtype=torch.bool)
    td = TensorDict({"env_obs": obs, "dones": nothing, "truncateds": nothing}, batch_size=[len(obs)])
    with torch.no_grad():
        return policy.evaluate(td)["values"]


def truncated(patch):
    patch.setattr(Vocabulary, "table", lambda self, env, **options: table(self, env, **options).floor())


def normalised_by_the_new_world(patch):
    def wrong(self, env, **options):
        new = {name: factor for name, factor in Vocabulary.of(env).factors.items() if name in self.factors}
        return table(Vocabulary(self.factors | new), env, **options)

    patch.setattr(Vocabulary, "table", wrong)


def stays_in_the_second_world(patch):
    def once(self, env, device="cpu"):
        if self.env is not ABROAD:
            enter(self, env, device)

    enter = Shaper.initialize_to_environment
    patch.setattr(Shaper, "initialize_to_environment", once)


def read_by_id(patch):
    patch.setattr(Vocabulary, "table", lambda self, env, **options: table(self, HOME, **options))


def ids_taken_as_indices(patch):
    def wrong(self, env, **options):
        rows = {feature.id: feature.id % len(env.features) for feature in env.features}
        found = table(self, env, **options)
        for number, row in rows.items():
            found[256 * number : 256 * number + 256, 0] = row
        return found

    patch.setattr(Vocabulary, "table", wrong)


def a_view_of_eleven(patch):
    enter = BoxShaper.initialize_to_environment
    eleven = {"view_height": 11, "view_width": 11}
    patch.setattr(
        BoxShaper, "initialize_to_environment", lambda self, env, *to: enter(self, attrs.evolve(env, **eleven), *to)
    )


def padding_in_the_first_cell(patch):
    _after_tables(patch, lambda shaper: shaper.cells.__setitem__(PADDING, 0))


def places_taken_as_one_number(patch):
    def alias(shaper):
        row, column = torch.arange(255) >> 4, torch.arange(255) & 15
        shaper.cells[:255] = (row * 3 + column) % 9 * shaper.num_channels

    _after_tables(patch, alias)


def _after_tables(patch, change):
    def tables(self, device):
        make(self, device)
        change(self)

    make = BoxShaper.set_tables
    patch.setattr(BoxShaper, "set_tables", tables)


def as_long_as_there_are_tokens(patch):
    patch.setattr(Shaper, "strip", lambda self, obs: obs[:, : int((obs[..., 0] != PADDING).sum(1).max())])


def cut_at_what_was_written_down(patch):
    patch.setattr(Shaper, "strip", lambda self, obs: obs[:, : min(200, self.env.num_tokens)])


def a_row_of_padding_that_learns(patch):
    def rows(count, width, std, *, zero_row=None):
        made = learned_rows(count, width, std, zero_row=zero_row)
        made.padding_idx = None
        return made

    patch.setattr(_tokenizer, "learned_rows", rows)


NAMES, BOX, SIZES = TestNames(), TestBox(), TestSizes()


@pytest.mark.parametrize(
    ("sabotage", "test", "arguments"),
    [
        (truncated, NAMES.test_a_normalised_value_keeps_its_fraction, ()),
        (normalised_by_the_new_world, NAMES.test_in_another_world_a_name_keeps_its_own_factor, ()),
        (stays_in_the_second_world, NAMES.test_there_and_back_again, ()),
        (read_by_id, NAMES.test_a_new_feature_takes_nobodys_place, ()),
        (ids_taken_as_indices, NAMES.test_gaps_in_feature_ids, ()),
        (a_view_of_eleven, SIZES.test_any_count_columns_and_view, ()),
        (padding_in_the_first_cell, BOX.test_padding_is_not_written_over_the_first_cell, ()),
        (places_taken_as_one_number, BOX.test_a_place_outside_the_view_is_in_no_cell, ()),
        (as_long_as_there_are_tokens, SIZES.test_a_hole_drops_nothing_behind_it, (12,)),
        (cut_at_what_was_written_down, SIZES.test_no_token_is_one_too_many, (300, 300)),
        (cut_at_what_was_written_down, SIZES.test_no_token_is_one_too_many, (12, 50)),
        (a_row_of_padding_that_learns, test_the_row_of_padding_is_zero_and_stays_so, (FourierTokensConfig, SGD)),
    ],
)
def test_each_notices_its_defect(sabotage, test, arguments, monkeypatch):
    sabotage(monkeypatch)
    with pytest.raises(AssertionError):
        test(*arguments)
