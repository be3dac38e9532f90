"""Slots: which row has which state, whatever states are called, and what is said of a state that does not fit."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glulam import GlulamError, MemoryLayer, TensorSpec
from glulam.memory import Rows, Slots

NAMES = ("count", "read", "training", "a.b", "state_0")  # attributes of the module, and what torch calls no buffer


class Counter(MemoryLayer):
    def state_spec(self):
        return {name: TensorSpec((), "int64") for name in NAMES}

    def step(self, x, state):
        after = {name: value + number for number, (name, value) in enumerate(state.items(), start=1)}
        return x + after["count"], after


def test_a_state_may_have_any_name():
    layer = Counter()
    rows = Rows(torch.tensor([3, 1]))
    for _ in range(2):
        _, state = layer.step(torch.zeros(2), layer.slots.read(rows))
        layer.slots.write(rows, state)
    found = layer.slots.read(Rows(torch.arange(4)))
    assert {name: value.tolist() for name, value in found.items()} == {
        name: [0, 2 * number, 0, 2 * number] for number, name in enumerate(NAMES, start=1)
    }
    assert not layer.state_dict()


def test_a_layer_without_parameters_remembers_where_it_is_and_as_what():
    class Last(MemoryLayer):
        def state_spec(self):
            return {"last": TensorSpec((2,), "float"), "count": TensorSpec((), "int64")}

    assert Last().to("meta").initial_state(1)["last"].is_meta
    state = Last().double().initial_state(1)
    assert (state["last"].dtype, state["count"].dtype) == (torch.float64, torch.int64)
    assert not Last().state_dict()


@settings(deadline=None)
@given(
    schedule=st.lists(
        st.tuples(st.lists(st.integers(0, 12), min_size=1, unique=True), st.integers(-99, 99)), min_size=1, max_size=12
    )
)
def test_each_row_keeps_its_own_whatever_comes_in_which_order(schedule):
    """Oracle: a dict by id. Ids come and go, and new ones at any time."""
    slots, kept = Slots({"x": TensorSpec((2,), "float32")}), {}
    for ids, number in schedule:
        rows = Rows(torch.tensor(ids))
        state = slots.read(rows)["x"]
        assert state.tolist() == [kept.get(row, [0, 0]) for row in ids]
        added = state + torch.tensor([[number, row] for row in ids])
        slots.write(rows, {"x": added})
        kept |= {row: [float(v) for v in value] for row, value in zip(ids, added.tolist(), strict=True)}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"x": torch.zeros(1, 3)}, r"layer 'm': state 'x' has shape \[3\] after a step; its state_spec says \[2\]"),
        ({"y": torch.zeros(1, 2)}, r"layer 'm': state 'x' is missing after a step; its state_spec says \[2\]"),
    ],
)
def test_a_state_that_does_not_fit_is_named(state, message):
    slots, rows = Slots({"x": TensorSpec((2,), "float32")}), Rows(torch.tensor([0]))
    slots.read(rows)
    with pytest.raises(GlulamError, match=message):
        slots.write(rows, state, "layer 'm'")


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1, 5, 1], "env_id 1 appears more than once in one batch; each row needs an id of its own"),
        ([0, -1], "env_id holds -1; ids count from 0"),
    ],
)
def test_ids_that_cannot_be_are_named(ids, message):
    with pytest.raises(GlulamError, match=message):
        Rows(torch.tensor(ids))
