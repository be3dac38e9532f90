"""The policy's own order of actions: options by row, choices by their first row."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from glulam_heads.own_order import OwnOrder

NAMES = [f"{choice}:{option}" for choice in "abc" for option in "wxyz"]


@st.composite
def specs(draw):
    """Draw choices in some order, each with some of its options in some order: names and sizes."""
    names, sizes = [], []
    for choice in draw(st.lists(st.sampled_from("abc"), min_size=1, unique=True)):
        options = draw(st.lists(st.sampled_from("wxyz"), min_size=1, unique=True))
        names += [f"{choice}:{option}" for option in options]
        sizes.append(len(options))
    return names, sizes


def ordered_by_hand(known, present):
    """Return the present known names, choice by choice: an option's place and its choice's are their first rows."""
    seen = [name for name in known if name in present]
    choices = dict.fromkeys(name[0] for name in seen)
    return [[name for name in seen if name[0] == choice] for choice in choices]


class TestOrder:
    """Oracle: names, sorted by hand."""

    @settings(deadline=None, max_examples=80)
    @given(home=specs(), learned=specs(), here=specs())
    def test_there_and_back(self, world, home, learned, here):
        rows = OwnOrder()
        rows.initialize_to_environment(world(home[0], choices=home[1]))
        rows.learn_names(world(learned[0], choices=learned[1]))
        rows.initialize_to_environment(world(here[0], choices=here[1]))
        expected = ordered_by_hand(rows.names, here[0])
        flat = [name for choice in expected for name in choice]
        numbers = {name: float(number) for number, name in enumerate(NAMES)}
        x = torch.tensor([[numbers[name] for name in here[0]]] * 2)
        own = rows.take(x)
        assert own.tolist() == [[numbers[name] for name in flat]] * 2
        assert rows.sizes == tuple(map(len, expected))
        back = [numbers[name] if name in rows.names else -7 for name in here[0]]
        assert rows.give(own, torch.tensor(-7.0)).tolist() == [back] * 2
        noise = torch.tensor([[numbers[name] for name in rows.names]] * 2)
        assert rows.noise_room(own).shape == noise.shape
        assert rows.noise_here(noise).tolist() == own.tolist()
        if not rows.in_order:  # else nothing asks
            order = list(dict.fromkeys(name[0] for name in here[0]))
            assert rows.choices.tolist() == [order.index(choice[0][0]) for choice in expected]

    @settings(deadline=None, max_examples=40)
    @given(home=specs(), other=specs())
    def test_another_world_leaves_no_trace(self, world, home, other):
        rows, buffers = OwnOrder(), []
        for names, choices in (home, other, home):
            rows.initialize_to_environment(world(names, choices=choices))
            buffers.append([buffer.tolist() for buffer in rows.buffers()] + [rows.sizes, rows.world_sizes])
        assert buffers[2] == buffers[0]

    @pytest.mark.parametrize("home", ["a b c", "c b a"])
    def test_the_usual_case_moves_nothing(self, world, home):
        rows, x = OwnOrder(), torch.randn(2, 3)
        rows.initialize_to_environment(world(home))
        assert rows.take(x) is x
        assert rows.noise_here(x) is x
        assert rows.give(x, torch.zeros(())) is x
