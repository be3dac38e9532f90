"""The minGRU's mathematics; what holds for every layer is in `test_layers.py`."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from glulam import TensorSpec
from glulam_memory.min_gru import MinGru
from tests.plugins.memory.segments import HIDDEN, WIDTH, lively, resets, segment


def by_hand(layer, x, reset, state):
    """Equations (3) of the paper in Python numbers, one unit, row and step at a time; no gradient."""
    inputs, finals = x.tolist(), []
    for n in range(layer.num_layers):
        weight, bias = getattr(layer, f"weight_ih_l{n}").tolist(), getattr(layer, f"bias_ih_l{n}").tolist()
        h = state["h"][:, n].tolist()
        outputs = []
        for b, steps in enumerate(inputs):
            outputs.append([])
            for t, vector in enumerate(steps):
                if reset[b, t]:
                    h[b] = [0.0] * HIDDEN
                lines = [sum(w * v for w, v in zip(row, vector, strict=True)) for row in weight]
                total = [line + shift for line, shift in zip(lines, bias, strict=True)]
                z = [1 / (1 + math.exp(-value)) for value in total[:HIDDEN]]
                h[b] = [(1 - z[i]) * h[b][i] + z[i] * total[HIDDEN + i] for i in range(HIDDEN)]
                outputs[b].append(h[b])
        inputs = outputs
        finals.append(h)
    return torch.tensor(inputs).double(), {"h": torch.tensor(finals).double().transpose(0, 1)}


class TestValues:
    """Oracle: the equations in Python numbers; gradients are held by `test_layers.py` and `test_scan.py`."""

    @settings(deadline=None, max_examples=25)
    @given(reset=resets(max_steps=6), layers=st.integers(1, 3), seed=st.integers(0, 99))
    def test_a_sequence_is_the_equations(self, reset, layers, seed):
        layer = lively("min_gru", layers, seed=seed, dtype=torch.float64)
        x, _, state = segment(layer, reset, seed=seed)
        y, after = layer.sequence(x, reset, state)
        expected, expected_after = by_hand(layer, x, reset, state)
        torch.testing.assert_close(y, expected, atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(after, expected_after, atol=1e-6, rtol=1e-6)

    def test_the_gate_does_not_read_the_state(self):
        layer = lively("min_gru", dtype=torch.float64)
        x = torch.randn(2, WIDTH, dtype=torch.float64)
        h = torch.randn(3, 2, 1, HIDDEN, dtype=torch.float64)
        first, second, third = (layer.step(x, {"h": state})[0] for state in (h[0], h[1], h[0] + h[2]))
        fourth, _ = layer.step(x, {"h": h[1] + h[2]})
        torch.testing.assert_close(third - first, fourth - second)  # linear in the state

    def test_a_long_segment_is_computed_in_blocks_alike(self):
        layer = lively("min_gru", 2, dtype=torch.float64)
        torch.manual_seed(0)
        reset = torch.rand(3, 131) < 0.05
        x, _, state = segment(layer, reset)
        y, after = layer.sequence(x, reset, state)
        expected, expected_after = by_hand(layer, x, reset, state)
        torch.testing.assert_close(y, expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(after, expected_after, atol=1e-5, rtol=1e-5)


class TestParameters:
    @pytest.mark.parametrize("bias", [0.0, -2.0])
    def test_biases_of_gates_start_as_told_and_those_of_candidates_at_zero(self, bias):
        layer = MinGru(WIDTH, HIDDEN, 2, bias_init=bias)
        for value in (layer.bias_ih_l0, layer.bias_ih_l1):
            assert (value[:HIDDEN] == bias).all()
            assert not value[HIDDEN:].any()

    def test_names_shapes_and_state(self):
        layer = MinGru(WIDTH, HIDDEN, 2, skip=True)
        assert {name: tuple(value.shape) for name, value in layer.named_parameters()} == {
            "weight_ih_l0": (2 * HIDDEN, WIDTH),
            "bias_ih_l0": (2 * HIDDEN,),
            "weight_ih_l1": (2 * HIDDEN, HIDDEN),
            "bias_ih_l1": (2 * HIDDEN,),
            "skip_weight": (HIDDEN, WIDTH),
        }
        assert layer.state_spec() == {"h": TensorSpec((2, HIDDEN), "float")}
