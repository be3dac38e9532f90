"""Rows by action name: through changed worlds and checkpoints."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from glulam import GlulamError
from glulam_heads.action_rows import ActionRows

NAMES = st.lists(st.sampled_from("abcdefgh"), min_size=1, unique=True)


def rows_of(rows, env):
    rows.initialize_to_environment(env)
    return rows().tolist()


class TestRows:
    """Oracle: a dict that numbers each name when it is first seen."""

    @settings(deadline=None, max_examples=50)
    @given(worlds=st.lists(NAMES, min_size=1, max_size=5))
    def test_a_name_keeps_its_row_through_all_worlds(self, world, worlds):
        rows, oracle = ActionRows(8), {}
        for names in worlds:
            for name in names:
                oracle.setdefault(name, len(oracle))
            assert rows_of(rows, world(names)) == [oracle[name] for name in names]

    @settings(deadline=None, max_examples=50)
    @given(first=NAMES, second=NAMES)
    def test_there_and_back_again_is_there(self, world, first, second):
        rows = ActionRows()
        before = rows_of(rows, world(first))
        rows_of(rows, world(second))
        assert rows_of(rows, world(first)) == before == list(range(len(first)))

    @settings(deadline=None, max_examples=50)
    @given(first=NAMES, second=NAMES, present=NAMES)
    def test_a_checkpoint_brings_the_names_and_the_present_world_keeps_its_actions(self, world, first, second, present):
        saved = ActionRows()
        rows_of(saved, world(first))
        rows_of(saved, world(second))
        expected = rows_of(saved, world(present))
        fresh = ActionRows()
        fresh.initialize_to_environment(world(present))
        fresh.load_state_dict(saved.state_dict())
        assert fresh().tolist() == expected
        assert fresh.state_dict() == saved.state_dict()

    def test_the_state_is_plain_json(self, world):
        rows = ActionRows()
        rows.initialize_to_environment(world("noop move"))
        assert rows.state_dict() == {"_extra_state": {"names": ["noop", "move"]}}

    def test_in_order_says_whether_the_world_is_the_table(self, world):
        rows = ActionRows()
        found = []
        for actions in ("a b", "b a", "a", "a b", "a b c", "a b"):
            rows.initialize_to_environment(world(actions))
            found.append(rows.in_order)
        assert found == [True, False, False, True, True, False]

    def test_the_index_is_where_it_is_told_to_be(self, world):
        rows = ActionRows()
        rows.initialize_to_environment(world("a b"), torch.device("meta"))
        assert rows.index.device.type == "meta"


class TestErrors:
    def test_without_a_world(self):
        with pytest.raises(GlulamError, match="call initialize_to_environment"):
            ActionRows()()

    def test_too_many_names_change_nothing(self, world):
        rows = ActionRows(3)
        rows.initialize_to_environment(world("a b"))
        message = r"4 action names do not fit into a table of 3 rows \(2 taken, 'd' the first beyond it\)"
        with pytest.raises(GlulamError, match=message):
            rows.initialize_to_environment(world("b c d"))
        assert rows.names == ["a", "b"]
        assert rows().tolist() == [0, 1]

    @pytest.mark.parametrize(
        ("state", "message"),
        [
            (None, "the saved action names are None"),
            ({"names": "ab"}, "the saved action names are {'names': 'ab'}"),
            ({"names": [1]}, "expected {'names': "),
            ({"names": ["a", "a"]}, "hold one twice"),
            ({"names": ["a", "b", "c", "d"]}, "do not fit into a table of 3 rows"),
        ],
    )
    def test_a_state_that_is_none(self, state, message):
        with pytest.raises(GlulamError, match=message):
            ActionRows(3).set_extra_state(state)
