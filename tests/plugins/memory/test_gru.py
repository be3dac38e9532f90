"""The GRU's mathematics; what holds for every layer is in `test_layers.py`."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import example, given, settings
from torch import nn

from glulam import TensorSpec
from glulam_memory.gru import Gru
from tests.plugins.memory.segments import HIDDEN, WIDTH, assert_equal_runs, by_sequence, lively, resets, segment


def by_torch(gru, x, reset, state):
    """`nn.GRU` itself, one row and one step a call, its state zeroed by hand."""
    oracle = nn.GRU(WIDTH, HIDDEN, gru.num_layers).to(x.dtype)
    weights = dict(gru.named_parameters())
    rows, finals = [], []
    for b in range(x.shape[0]):
        h, outputs = state["h"][b], []
        for t in range(x.shape[1]):
            h = torch.zeros_like(h) if reset[b, t] else h
            y, h = torch.func.functional_call(oracle, weights, (x[b, t][None], h))
            outputs.append(y[0])
        rows.append(torch.stack(outputs))
        finals.append(h)
    return torch.stack(rows), {"h": torch.stack(finals)}


class TestValues:
    """Oracle: `nn.GRU`, a row and a step at a time."""

    @settings(deadline=None, max_examples=25)
    @given(reset=resets(max_steps=6), layers=st.integers(1, 3), seed=st.integers(0, 99))
    @example(reset=torch.ones(2, 6, dtype=torch.bool), layers=3, seed=0)
    def test_a_sequence_is_nn_gru_with_its_state_zeroed(self, reset, layers, seed):
        gru = lively("gru", layers, seed=seed, dtype=torch.float64)
        assert_equal_runs(by_sequence, by_torch, gru, *segment(gru, reset, seed=seed), tolerance=1e-12)

    def test_weights_of_nn_gru_give_its_outputs(self):
        torch.manual_seed(0)
        oracle, gru = nn.GRU(WIDTH, HIDDEN, 2, batch_first=True), Gru(WIDTH, HIDDEN, 2)
        gru.load_state_dict(oracle.state_dict())
        x = torch.randn(3, 6, WIDTH)
        expected, h_n = oracle(x)
        y, after = gru.sequence(x, torch.zeros(3, 6, dtype=torch.bool), gru.initial_state(3))
        torch.testing.assert_close(y, expected)
        torch.testing.assert_close(after["h"], h_n.transpose(0, 1))


class TestDummies:
    """Oracle: the definition; at a dummy the state is zero to the bit, whatever the biases and the state."""

    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
    def test_the_state_after_a_dummy_is_zero_to_the_bit(self, dtype):
        gru = lively("gru", dtype=dtype)
        w_ih, *others = gru._weights(0)
        x = torch.zeros(1, 64, WIDTH + 1, dtype=dtype)
        x[..., -1] = 1
        h = 50 * torch.randn(64, HIDDEN).to(dtype)
        y, last = gru._kernel(x, (h,), (torch.cat([w_ih, gru._shut(0)], 1), *others))
        assert not y.any()
        assert not last.any()

    def test_control_a_column_without_the_bias_leaves_something(self):
        gru = lively("gru")
        w_ih, *others = gru._weights(0)
        x = torch.zeros(1, 2, WIDTH + 1)
        x[..., -1] = 1
        shut = torch.cat([gru._shut(0)[: 2 * HIDDEN], torch.zeros(HIDDEN, 1)])
        y, _ = gru._kernel(x, (torch.randn(2, HIDDEN),), (torch.cat([w_ih, shut], 1), *others))
        assert y.abs().max() > 0.05


class TestParameters:
    @pytest.mark.parametrize("bias", [0.0, 1.0])
    def test_biases_start_as_told(self, bias):
        biases = [value for name, value in Gru(WIDTH, HIDDEN, 2, bias_init=bias).named_parameters() if "bias" in name]
        assert len(biases) == 4
        assert all((value == bias).all() for value in biases)

    def test_state_spec(self):
        assert Gru(WIDTH, HIDDEN, 2).state_spec() == {"h": TensorSpec((2, HIDDEN), "float")}
