"""The LSTM's mathematics, its segments with resets, its errors; `B` rows, `T` steps, `N` layers."""

import copy
import pickle
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from torch import nn

from glulam import GlulamError, MemoryLayer, TensorSpec
from glulam_memory.configs import LstmConfig
from glulam_memory.lstm import Lstm

VECTORS = Path(__file__).parents[2] / "vectors"
WIDTH, HIDDEN = 5, 4


def lively(layers=1, *, seed=0, dtype=torch.float32, **options):
    """An LSTM whose memory matters: weights large enough that a state left standing is seen at once."""
    torch.manual_seed(seed)
    lstm = Lstm(WIDTH, HIDDEN, layers, **options).to(dtype)
    with torch.no_grad():
        for parameter in lstm.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.7)
    return lstm


def segment(reset, layers, *, seed=0, dtype=torch.float32):
    """Return `(x, reset, state)` with leaves that take a gradient, the state being of an episode under way."""
    generator = torch.Generator().manual_seed(seed)
    rows, steps = reset.shape
    x = torch.randn(rows, steps, WIDTH, generator=generator, dtype=dtype).requires_grad_()
    state = {
        name: torch.randn(rows, layers, HIDDEN, generator=generator, dtype=dtype).requires_grad_()
        for name in ("h", "c")
    }
    return x, reset, state


def resets(max_rows=4, max_steps=9):
    return st.integers(1, max_rows).flatmap(
        lambda rows: st.integers(1, max_steps).flatmap(
            lambda steps: st.lists(
                st.lists(st.booleans(), min_size=steps, max_size=steps), min_size=rows, max_size=rows
            ).map(torch.tensor)
        )
    )


def gradients(run, lstm, x, reset, state, *, skip_state=False):
    """Return outputs, final state and the gradients of a random mixture of them."""
    y, after = run(lstm, x, reset, state)
    generator = torch.Generator().manual_seed(7)
    results = [y, *([] if skip_state else [after["h"], after["c"]])]
    loss = sum((r * torch.randn(r.shape, generator=generator, dtype=r.dtype)).sum() for r in results)
    leaves = [x, state["h"], state["c"], *lstm.parameters()]
    return [y, after["h"], after["c"]], torch.autograd.grad(loss, leaves, allow_unused=True)


def by_sequence(lstm, x, reset, state):
    return lstm.sequence(x, reset, state)


def by_steps(lstm, x, reset, state):
    return MemoryLayer.sequence(lstm, x, reset, state)


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


def assert_equal_runs(first, second, lstm, x, reset, state, tolerance=1e-5):
    found, found_grads = gradients(first, lstm, x, reset, state)
    expected, expected_grads = gradients(second, lstm, x, reset, state)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, atol=tolerance / 5, rtol=0)
    for a, b in zip(found_grads, expected_grads, strict=True):
        zero = torch.zeros(())
        torch.testing.assert_close(*torch.broadcast_tensors(zero if a is None else a, zero if b is None else b),
                                   atol=tolerance, rtol=tolerance)  # fmt: skip


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


class TestSegments:
    """Oracles: a loop of `step` (the base class's `sequence`), and `nn.LSTM` a row and a step at a time."""

    @settings(deadline=None, max_examples=60)
    @given(reset=resets(), layers=st.integers(1, 3), seed=st.integers(0, 99))
    @example(reset=torch.ones(3, 7, dtype=torch.bool), layers=2, seed=0)
    @example(reset=torch.tensor([[True] + [False] * 5]), layers=2, seed=1)
    @example(reset=torch.tensor([[False] * 5 + [True], [False] * 6]), layers=2, seed=2)
    @example(reset=torch.tensor([[False, True, True, True, False, True], [False] * 6]), layers=1, seed=3)
    def test_a_sequence_is_a_loop_of_steps(self, reset, layers, seed):
        assert_equal_runs(by_sequence, by_steps, lively(layers, seed=seed), *segment(reset, layers, seed=seed))

    @settings(deadline=None, max_examples=15)
    @given(reset=resets(max_steps=6), layers=st.integers(1, 2), seed=st.integers(0, 99))
    def test_a_sequence_is_nn_lstm_with_its_state_zeroed(self, reset, layers, seed):
        assert_equal_runs(by_sequence, by_torch, lively(layers, seed=seed), *segment(reset, layers, seed=seed))

    @settings(deadline=None, max_examples=15)
    @given(reset=resets(), seed=st.integers(0, 99))
    def test_in_double_precision_to_twelve_digits(self, reset, seed):
        lstm = lively(2, seed=seed, dtype=torch.float64)
        inputs = segment(reset, 2, seed=seed, dtype=torch.float64)
        assert_equal_runs(by_sequence, by_steps, lstm, *inputs, tolerance=1e-12)

    @settings(deadline=None, max_examples=20)
    @given(reset=resets(), seed=st.integers(0, 99))
    def test_with_a_skip_through_a_linear_map(self, reset, seed):
        lstm = lively(2, seed=seed, skip=True)
        assert_equal_runs(by_sequence, by_steps, lstm, *segment(reset, 2, seed=seed))

    @settings(deadline=None, max_examples=20)
    @given(reset=resets(), data=st.data())
    def test_a_segment_may_start_in_mid_episode(self, reset, data):
        cut = data.draw(st.integers(0, reset.shape[1]))
        lstm = lively(2)
        x, _, state = segment(reset, 2)
        whole, after = lstm.sequence(x, reset, state)
        parts = []
        for part in (slice(0, cut), slice(cut, None)):
            if reset[:, part].numel():
                y, state = lstm.sequence(x[:, part], reset[:, part], state)
                parts.append(y)
        torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-6, rtol=0)
        for name in after:
            torch.testing.assert_close(state[name], after[name], atol=1e-6, rtol=0)

    @settings(deadline=None, max_examples=20)
    @given(reset=resets(), data=st.data())
    def test_rows_do_not_depend_on_each_other(self, reset, data):
        rows = data.draw(st.permutations(range(len(reset))).flatmap(
            lambda order: st.integers(1, len(order)).map(lambda count: order[:count])))  # fmt: skip
        lstm = lively(2)
        x, _, state = segment(reset, 2)
        whole, after = lstm.sequence(x, reset, state)
        some, some_after = lstm.sequence(x[rows], reset[rows], {name: s[rows] for name, s in state.items()})
        torch.testing.assert_close(some, whole[rows], atol=1e-6, rtol=0)
        for name in after:
            torch.testing.assert_close(some_after[name], after[name][rows], atol=1e-6, rtol=0)


class TestResets:
    """Oracle: what was before a reset can be anything at all."""

    @settings(deadline=None, max_examples=30)
    @given(reset=resets(), layers=st.integers(1, 2))
    def test_nothing_before_a_reset_is_seen_after_it_not_even_a_bit(self, reset, layers):
        lstm = lively(layers)
        x, _, state = segment(reset, layers)
        last = [int(row.nonzero().max()) if row.any() else 0 for row in reset]
        other = x.detach().clone()
        others = {name: value.detach().clone() for name, value in state.items()}
        for b, t in enumerate(last):
            other[b, :t] = 50.0
            if reset[b].any():
                others["h"][b], others["c"][b] = -9.0, 1e4
        y, after = lstm.sequence(x, reset, state)
        y_other, after_other = lstm.sequence(other, reset, others)
        for b, t in enumerate(last):
            assert torch.equal(y[b, t:], y_other[b, t:])
            assert torch.equal(after["h"][b], after_other["h"][b])
            assert torch.equal(after["c"][b], after_other["c"][b])

    @settings(deadline=None, max_examples=30)
    @given(reset=resets(), data=st.data())
    def test_gradient_goes_back_to_the_last_reset_and_no_further(self, reset, data):
        rows, steps = reset.shape
        t, layers = data.draw(st.integers(0, steps - 1)), 2
        x, _, state = segment(reset, layers)
        y, _ = lively(layers).sequence(x, reset, state)
        grad_x, grad_h, grad_c = torch.autograd.grad(y[:, t].sum(), [x, state["h"], state["c"]])
        for b in range(rows):
            begun = reset[b, : t + 1].nonzero()
            start = int(begun.max()) if begun.numel() else 0
            assert (grad_x[b, start : t + 1].abs().sum(-1) > 0).all()
            assert not grad_x[b, :start].any()
            assert not grad_x[b, t + 1 :].any()
            assert grad_h[b].any() == grad_c[b].any() == (not begun.numel())

    @pytest.mark.parametrize("steps", [1, 8])
    def test_control_a_single_skipped_reset_fails_the_law(self, steps):
        reset = torch.zeros(4, steps, dtype=torch.bool)
        reset[1, steps // 2] = True
        lstm = lively(2)
        x, _, state = segment(reset, 2)
        sabotaged, _ = lstm.sequence(x, torch.zeros_like(reset), state)
        honest, _ = by_steps(lstm, x, reset, state)
        assert (sabotaged - honest)[1, steps // 2 :].abs().max() > 0.05
        assert (sabotaged - honest)[[0, 2, 3]].abs().max() < 1e-6

    def test_huge_inputs_do_not_force_the_shut_gates_open(self):
        reset = torch.zeros(3, 6, dtype=torch.bool)
        reset[0, 3] = reset[1, 5] = True
        lstm = lively(2)
        x, _, state = segment(reset, 2)
        y, after = lstm.sequence(x * 1e5, reset, state)
        expected, expected_after = by_steps(lstm, x * 1e5, reset, state)
        torch.testing.assert_close(y, expected, atol=1e-6, rtol=0)
        torch.testing.assert_close(after, expected_after, atol=1e-6, rtol=0)


class TestSkip:
    """Oracle: the same weights without a skip."""

    def test_the_input_is_added_where_the_widths_agree(self):
        lstm = Lstm(HIDDEN, HIDDEN, skip=True)
        plain = Lstm(HIDDEN, HIDDEN)
        plain.load_state_dict(lstm.state_dict())  # no weights of its own
        x, reset = torch.randn(2, 3, HIDDEN), torch.zeros(2, 3, dtype=torch.bool)
        y, after = lstm.sequence(x, reset, lstm.initial_state(2))
        expected, expected_after = plain.sequence(x, reset, plain.initial_state(2))
        torch.testing.assert_close(y, expected + x)
        assert torch.equal(after["h"], expected_after["h"])  # what is remembered is the memory's own

    def test_an_orthogonal_map_joins_other_widths(self):
        weight = Lstm(WIDTH, HIDDEN, skip=True).skip_weight
        torch.testing.assert_close(weight @ weight.t(), torch.eye(HIDDEN), atol=1e-5, rtol=0)


class TestParameters:
    def test_names_and_shapes_are_those_of_nn_lstm(self):
        state = nn.LSTM(WIDTH, HIDDEN, 3).state_dict()
        lstm = Lstm(WIDTH, HIDDEN, 3)
        lstm.load_state_dict(state)
        assert {name: value.shape for name, value in lstm.state_dict().items()} == {
            name: value.shape for name, value in state.items()
        }

    @pytest.mark.parametrize("bias", [0.0, 1.0])
    def test_weights_start_orthogonal_and_biases_as_told(self, bias):
        lstm = Lstm(WIDTH, HIDDEN, 2, bias_init=bias)
        for name, value in lstm.named_parameters():
            if "bias" in name:
                assert (value == bias).all()
            else:
                torch.testing.assert_close(value.t() @ value, torch.eye(value.shape[1]), atol=1e-5, rtol=0)

    def test_state_spec_and_initial_state(self):
        lstm = Lstm(WIDTH, HIDDEN, 2).double()
        assert lstm.state_spec() == {name: TensorSpec((2, HIDDEN), "float") for name in ("h", "c")}
        assert {n: (tuple(v.shape), v.dtype) for n, v in lstm.initial_state(3).items()} == dict.fromkeys(
            ("h", "c"), ((3, 2, HIDDEN), torch.float64)
        )

    def test_copies_and_pickles_run_alike(self):
        reset = torch.tensor([[False, True, False]])
        lstm = lively(2)
        inputs = segment(reset, 2)
        expected, _ = lstm.sequence(*inputs)
        for twin in (copy.deepcopy(lstm), pickle.loads(pickle.dumps(lstm))):  # noqa: S301 - our own bytes
            assert torch.equal(twin.sequence(*inputs)[0], expected)


class TestErrors:
    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda m, s: m.step(torch.zeros(2, 3), s), r"shape \[2, 3\], expected rank 2 and width 5"),
            (lambda m, s: m.step(torch.zeros(2, 1, 5), s), r"shape \[2, 1, 5\], expected rank 2 and width 5"),
            (lambda m, s: m.step(torch.zeros(3, 5), s), r"'h' has shape \[2, 1, 4\], expected \[3, 1, 4\]"),
            (lambda m, s: m.step(torch.zeros(2, 5), s | {"c": torch.zeros(2, 4)}),
             r"'c' has shape \[2, 4\], expected \[2, 1, 4\]"),
            (lambda m, s: m.sequence(torch.zeros(2, 3, 5), torch.zeros(2, 4, dtype=torch.bool), s),
             r"reset has shape \[2, 4\], the input \[2, 3, 5\]"),
        ],
    )  # fmt: skip
    def test_wrong_shapes_are_named(self, call, message):
        lstm = Lstm(WIDTH, HIDDEN)
        with pytest.raises(GlulamError, match=message):
            call(lstm, lstm.initial_state(2))


class TestConfig:
    def test_the_module_is_built_as_told(self):
        lstm = LstmConfig(in_dim=3, hidden_size=6, num_layers=2, bias_init=0.5, skip=True).build()
        assert (lstm.in_dim, lstm.hidden_size, lstm.num_layers, lstm.skip) == (3, 6, 2, True)
        assert (lstm.bias_hh_l1 == 0.5).all()

    def test_an_unknown_width_is_an_error_that_says_what_to_do(self):
        with pytest.raises(GlulamError, match="in_dim is not known; set it"):
            LstmConfig().build()

    @pytest.mark.parametrize("field", ["in_dim", "hidden_size", "num_layers"])
    def test_sizes_are_positive(self, field):
        with pytest.raises(ValueError, match=f"'{field}' must be > 0"):
            LstmConfig(**{field: 0})
