"""The LSTM's mathematics; what holds for every layer is in `test_layers.py`."""

from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from glulam import TensorSpec
from glulam_memory.configs import LstmConfig
from glulam_memory.lstm import Lstm
from tests.plugins.memory.segments import HIDDEN, WIDTH, assert_equal_runs, by_sequence, lively, resets, segment

VECTORS = Path(__file__).parents[2] / "vectors"


def by_torch(lstm, x, reset, state):
    """`nn.LSTM` itself, one row and one step a call, its state zeroed by hand."""
    oracle = nn.LSTM(WIDTH, HIDDEN, lstm.num_layers).to(x.dtype)
    weights = dict(lstm.named_parameters())
    rows, finals = [], []
    for b in range(x.shape[0]):
        hc = (state["h"][b], state["c"][b])
        outputs = []
        for t in range(x.shape[1]):
            if reset[b, t]:
                hc = (torch.zeros_like(hc[0]), torch.zeros_like(hc[1]))
            y, hc = torch.func.functional_call(oracle, weights, (x[b, t][None], hc))
            outputs.append(y[0])
        rows.append(torch.stack(outputs))
        finals.append(hc)
    h, c = (torch.stack(part) for part in zip(*finals, strict=True))
    return torch.stack(rows), {"h": h, "c": c}


class TestReferenceVectors:
    """Oracle: figures of the original's own LSTM with resets (`tests/vectors/lstm_reset.npz`)."""

    def test_outputs_and_input_gradients(self):
        arrays = {name: torch.from_numpy(array) for name, array in np.load(VECTORS / "lstm_reset.npz").items()}
        x = arrays["in/x"].requires_grad_()
        lstm = Lstm(x.shape[2], arrays["in/h0"].shape[2], num_layers=2)
        weights = {name.removeprefix("w/lstm."): array for name, array in arrays.items() if name.startswith("w/")}
        lstm.load_state_dict(weights)
        reset = (arrays["in/dones"] + arrays["in/truncateds"]) > 0
        y, _ = lstm.sequence(x, reset, {"h": arrays["in/h0"], "c": arrays["in/c0"]})
        y.backward(arrays["in/grad_y"])
        torch.testing.assert_close(y, arrays["out/y"], atol=1e-5, rtol=0)
        torch.testing.assert_close(x.grad, arrays["out/grad_x"], atol=1e-5, rtol=0)


class TestValues:
    """Oracle: `nn.LSTM`, a row and a step at a time."""

    @settings(deadline=None, max_examples=15)
    @given(reset=resets(max_steps=6), layers=st.integers(1, 2), seed=st.integers(0, 99))
    def test_a_sequence_is_nn_lstm_with_its_state_zeroed(self, reset, layers, seed):
        lstm = lively("lstm", layers, seed=seed)
        assert_equal_runs(by_sequence, by_torch, lstm, *segment(lstm, reset, seed=seed))


class TestParameters:
    @pytest.mark.parametrize("bias", [0.0, 1.0])
    def test_biases_start_as_told(self, bias):
        lstm = Lstm(WIDTH, HIDDEN, 2, bias_init=bias)
        biases = [value for name, value in lstm.named_parameters() if "bias" in name]
        assert len(biases) == 4
        assert all((value == bias).all() for value in biases)

    def test_only_the_forget_gate_is_biased_apart(self):
        lstm = LstmConfig(in_dim=WIDTH, hidden_size=HIDDEN, num_layers=2, bias_init=0.25, forget_bias=1.0).build()
        for layer in range(2):
            both = getattr(lstm, f"bias_ih_l{layer}") + getattr(lstm, f"bias_hh_l{layer}")
            assert both.view(4, HIDDEN)[:, 0].tolist() == [0.5, 1.0, 0.5, 0.5]
            assert both.view(4, HIDDEN).std(1).max() == 0

    def test_state_spec_and_initial_state(self):
        lstm = Lstm(WIDTH, HIDDEN, 2).double()
        assert lstm.state_spec() == {name: TensorSpec((2, HIDDEN), "float") for name in ("h", "c")}
        assert {n: (tuple(v.shape), v.dtype) for n, v in lstm.initial_state(3).items()} == dict.fromkeys(
            ("h", "c"), ((3, 2, HIDDEN), torch.float64)
        )
