"""Rows by action name: through changed worlds and checkpoints."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from glulam import GlulamError, NameReport
from glulam_heads.action_rows import ActionRows

NAMES = st.lists(st.sampled_from("abcdefgh"), min_size=1, unique=True)


def rows_of(rows, env):
    rows.initialize_to_environment(env)
    return rows().tolist()


class TestRows:
    """Oracle: a dict that numbers the names of the first world, and those of others when they are learned."""

    @settings(deadline=None, max_examples=50)
    @given(worlds=st.lists(st.tuples(NAMES, st.booleans()), min_size=1, max_size=5))
    def test_a_name_keeps_its_row_through_all_worlds(self, world, worlds):
        rows, oracle = ActionRows(8), {name: row for row, name in enumerate(worlds[0][0])}
        rows.initialize_to_environment(world(worlds[0][0]))
        for names, learns in worlds:
            if learns:
                new = tuple(name for name in names if name not in oracle)
                assert rows.learn_names(world(names)) == new
                oracle |= {name: len(oracle) + i for i, name in enumerate(new)}
            found = rows_of(rows, world(names))
            assert [row for row, name in zip(found, names, strict=True) if name in oracle] == [
                oracle[name] for name in names if name in oracle
            ]
            known = [name in oracle for name in names]
            assert (rows.known is None) if all(known) else (rows.known.tolist() == known)

    @settings(deadline=None, max_examples=50)
    @given(first=NAMES, second=NAMES)
    def test_an_unknown_action_is_zeros_and_learns_nothing(self, world, first, second):
        rows, table = ActionRows(8), torch.arange(1.0, 25).view(8, 3).requires_grad_()
        rows.initialize_to_environment(world(first))
        rows.initialize_to_environment(world(second))
        found = rows.look_up(table)
        found.sum().backward()
        for name, row in zip(second, found.tolist(), strict=True):
            assert row == (table[first.index(name)].tolist() if name in first else [0, 0, 0])
        assert table.grad[:, 0].tolist() == [float(row < len(first) and first[row] in second) for row in range(8)]

    @settings(deadline=None, max_examples=50)
    @given(first=NAMES, second=NAMES)
    def test_the_report_says_what_met(self, world, first, second):
        rows = ActionRows()
        rows.initialize_to_environment(world(first))
        rows.initialize_to_environment(world(second))
        assert rows.name_report() == NameReport(
            mapped=tuple(name for name in second if name in first),
            masked=tuple(name for name in second if name not in first),
            absent=tuple(name for name in first if name not in second),
        )

    def test_names_may_be_learned_before_any_world_and_in_the_present_one(self, world):
        rows = ActionRows()
        assert rows.learn_names(world("b a")) == ("b", "a")
        assert rows_of(rows, world("a c b")) == [1, 0, 0]
        assert rows.learn_names(world("c")) == ("c",)
        assert rows().tolist() == [1, 2, 0]
        assert rows.known is None

    @settings(deadline=None, max_examples=50)
    @given(first=NAMES, second=NAMES)
    def test_there_and_back_again_is_there(self, world, first, second):
        rows = ActionRows()
        before = rows_of(rows, world(first))
        rows_of(rows, world(second))
        assert rows.names == first
        assert rows_of(rows, world(first)) == before == list(range(len(first)))

    @settings(deadline=None, max_examples=50)
    @given(first=NAMES, second=NAMES, present=NAMES)
    def test_a_checkpoint_brings_the_names_and_the_present_world_keeps_its_actions(self, world, first, second, present):
        saved = ActionRows()
        rows_of(saved, world(first))
        saved.learn_names(world(second))
        expected = rows_of(saved, world(present))
        fresh = ActionRows()
        fresh.initialize_to_environment(world(present))
        fresh.load_state_dict(saved.state_dict())
        assert fresh().tolist() == expected
        assert fresh.name_report() == saved.name_report()
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
        assert found == [True, False, False, True, False, True]

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
            rows.learn_names(world("b c d"))
        assert rows.names == ["a", "b"]
        assert rows().tolist() == [0, 1]

    def test_a_first_world_that_does_not_fit(self, world):
        rows = ActionRows(1)
        with pytest.raises(GlulamError, match=r"2 action names do not fit .* \(0 taken, 'b' the first beyond it\)"):
            rows.initialize_to_environment(world("a b"))
        assert rows.names == []
        assert rows.present == ()

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
