"""Attention over the last steps; what holds for every layer is in `test_layers.py`. `B` rows, `T` steps."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch.nn.functional import gelu, layer_norm

from glulam import TensorSpec
from glulam_memory.configs import SlidingAttentionConfig
from glulam_memory.sliding_attention import SlidingAttention
from tests.plugins.memory.segments import HIDDEN, WIDTH, assert_equal_runs, by_sequence, by_steps, lively, resets

HEADS = 2
KIND = "sliding_attention"


def by_query(layer, x, reset, *, window=None):
    """One row, one query and one head at a time, over all steps since the episode began; there is no cache."""
    window = window or layer.window
    w = dict(layer.named_parameters())
    rows = []
    for b in range(x.shape[0]):
        y = x[b] @ w["embed.weight"].t() + w["embed.bias"]  # (T, H)
        for n in range(layer.num_layers):
            block = {name.removeprefix(f"blocks.{n}."): value for name, value in w.items()}
            y = torch.stack([_after_block(block, y, _begin(reset[b], t), t, window) for t in range(len(y))])
        rows.append(y)
    return torch.stack(rows)


def _begin(reset, t):
    begun = reset[: t + 1].nonzero()
    return int(begun.max()) if begun.numel() else 0


def _after_block(w, y, begin, t, window):
    seen = range(max(begin, t - window + 1), t + 1)
    normed = layer_norm(y, y.shape[-1:], w["norm.weight"], w["norm.bias"])
    query, key, value = (
        normed @ weight.t() + bias
        for weight, bias in zip(w["query_key_value.weight"].chunk(3), w["query_key_value.bias"].chunk(3), strict=True)
    )
    size = y.shape[-1] // HEADS
    read = []
    for head in range(HEADS):
        part = slice(head * size, (head + 1) * size)
        scores = [query[t, part] @ key[s, part] / math.sqrt(size) + w["age_bias"][head, t - s] for s in seen]
        weights = torch.stack(scores).exp()
        read.append(sum(p * value[s, part] for p, s in zip(weights / weights.sum(), seen, strict=True)))
    out = y[t] + w["out.weight"] @ torch.cat(read) + w["out.bias"]
    hidden = layer_norm(out, out.shape, w["mlp.0.weight"], w["mlp.0.bias"])
    hidden = gelu(w["mlp.1.weight"] @ hidden + w["mlp.1.bias"])
    return out + w["mlp.3.weight"] @ hidden + w["mlp.3.bias"]


def from_nothing(layer, reset, seed=0):
    torch.manual_seed(seed)
    x = torch.randn(*reset.shape, WIDTH, dtype=torch.float64, requires_grad=True)
    return x, reset, layer.initial_state(len(reset))


class TestValues:
    """Oracle: attention a query at a time, over the whole episode."""

    @settings(deadline=None, max_examples=25)
    @given(
        reset=resets(max_rows=2, max_steps=7),
        layers=st.integers(1, 3),
        window=st.sampled_from([1, 2, 3, 5, 9]),
        seed=st.integers(0, 99),
    )
    def test_outputs_and_gradients(self, reset, layers, window, seed):
        layer = lively(KIND, layers, seed=seed, dtype=torch.float64, window=window)
        x, reset, state = from_nothing(layer, reset, seed)
        found, expected = layer.sequence(x, reset, state)[0], by_query(layer, x, reset)
        torch.testing.assert_close(found, expected, atol=1e-10, rtol=1e-10)
        leaves, grad = [x, *layer.parameters()], torch.randn_like(found)
        grads, expected_grads = (torch.autograd.grad(run, leaves, grad) for run in (found, expected))
        torch.testing.assert_close(grads, expected_grads, atol=1e-9, rtol=1e-9)

    @settings(deadline=None, max_examples=25)
    @given(reset=resets(max_rows=2, max_steps=8), window=st.sampled_from([1, 2, 3, 5, 9]), data=st.data())
    def test_in_parts_of_any_length_with_the_state_handed_on(self, reset, window, data):
        layer = lively(KIND, 2, dtype=torch.float64, window=window)
        x, reset, state = from_nothing(layer, reset)
        steps, found, at = reset.shape[1], [], 0
        while at < steps:
            part = slice(at, at + data.draw(st.integers(1, steps - at)))
            y, state = layer.sequence(x[:, part], reset[:, part], state)
            found.append(y)
            at = part.stop
        torch.testing.assert_close(torch.cat(found, 1), by_query(layer, x, reset), atol=1e-10, rtol=1e-10)

    def test_control_a_window_short_of_a_step_is_noticed(self):
        layer = lively(KIND, dtype=torch.float64, window=3)
        x, reset, state = from_nothing(layer, torch.zeros(2, 6, dtype=torch.bool))
        found, narrower = layer.sequence(x, reset, state)[0], by_query(layer, x, reset, window=2)
        assert (found - narrower)[:, 2:].abs().amax((0, 2)).min() > 0.01
        torch.testing.assert_close(found[:, :2], narrower[:, :2])

    def test_a_position_counts_by_its_age_and_not_by_its_place(self):
        layer = lively(KIND, 2, dtype=torch.float64, window=3)
        x, reset, state = from_nothing(layer, torch.zeros(1, 9, dtype=torch.bool))
        moved = torch.cat([torch.randn(1, 4, WIDTH, dtype=torch.float64), x], 1)
        begin = torch.zeros(1, 13, dtype=torch.bool)
        begin[0, 4] = True
        found = layer.sequence(moved, begin, state)[0][:, 4:]
        torch.testing.assert_close(found, layer.sequence(x, reset, state)[0], atol=1e-12, rtol=1e-12)


class TestReach:
    """Oracle: counting; N layers of window W see N (W - 1) steps back."""

    @pytest.mark.parametrize(("layers", "window"), [(1, 1), (1, 3), (2, 3), (3, 2)])
    def test_gradient_goes_back_so_many_steps_and_no_further(self, layers, window):
        layer = lively(KIND, layers, dtype=torch.float64, window=window)
        x, reset, state = from_nothing(layer, torch.zeros(1, 9, dtype=torch.bool))
        y, _ = layer.sequence(x, reset, state)
        (grad,) = torch.autograd.grad(y[0, 8].sum(), x)
        reached = grad[0].abs().sum(-1) > 0
        assert reached.tolist() == [8 - t <= layers * (window - 1) for t in range(9)]

    def test_and_not_past_a_reset(self):
        layer = lively(KIND, 3, dtype=torch.float64, window=4)
        reset = torch.zeros(1, 9, dtype=torch.bool)
        reset[0, 5] = True
        x, reset, state = from_nothing(layer, reset)
        y, _ = layer.sequence(x, reset, state)
        (grad,) = torch.autograd.grad(y[0, 8].sum(), x)
        assert (grad[0].abs().sum(-1) > 0).tolist() == [False] * 5 + [True] * 4


class TestState:
    @settings(deadline=None, max_examples=25)
    @given(reset=resets(), window=st.sampled_from([1, 2, 3, 5, 12]))
    def test_it_holds_the_last_steps_of_the_episode_and_zeros(self, reset, window):
        layer = lively(KIND, 2, dtype=torch.float64, window=window)
        x, reset, state = from_nothing(layer, reset)
        steps = reset.shape[1]
        _, after = layer.sequence(x, reset, state)
        for b in range(len(reset)):
            lived = min(window - 1, steps - _begin(reset[b], steps - 1))
            assert after["filled"][b] == lived
            for name in ("keys", "values"):
                cached = after[name][b].abs().sum(-1) > 0  # (N, C)
                assert cached.tolist() == [[False] * (window - 1 - lived) + [True] * lived] * 2

    @settings(deadline=None, max_examples=20)
    @given(reset=resets(), window=st.sampled_from([1, 2, 20]), layers=st.integers(1, 3))
    def test_a_sequence_is_a_loop_of_steps_for_any_window(self, reset, window, layers):
        layer = lively(KIND, layers, dtype=torch.float64, window=window)
        assert_equal_runs(by_sequence, by_steps, layer, *from_nothing(layer, reset), tolerance=1e-12)

    def test_what_lies_in_empty_places_is_not_seen(self):
        layer = lively(KIND, 2, dtype=torch.float64)
        x, reset, state = from_nothing(layer, torch.zeros(2, 4, dtype=torch.bool))
        expected, expected_after = layer.sequence(x, reset, state)
        y, after = layer.sequence(x, reset, state | {"keys": torch.full_like(state["keys"], 7.0)})
        assert torch.equal(y, expected)
        torch.testing.assert_close(after, expected_after, atol=0, rtol=0)

    def test_spec_and_initial_state(self):
        layer = SlidingAttention(WIDTH, HIDDEN, num_layers=2, num_heads=HEADS, window=5).double()
        cache = TensorSpec((2, 4, HIDDEN), "float")
        assert layer.state_spec() == {"keys": cache, "values": cache, "filled": TensorSpec((), "int64")}
        state = layer.initial_state(3)
        assert [value.dtype for value in state.values()] == [torch.float64, torch.float64, torch.int64]
        assert not any(value.any() for value in state.values())


class TestConfig:
    def test_the_module_is_built_as_told(self):
        layer = SlidingAttentionConfig(in_dim=3, hidden_size=6, num_layers=2, num_heads=3, window=7).build()
        assert (layer.in_dim, layer.hidden_size, layer.num_layers, layer.window) == (3, 6, 2, 7)
        assert layer.blocks[1].age_bias.shape == (3, 7)

    def test_heads_divide_the_width(self):
        with pytest.raises(ValueError, match="num_heads"):
            SlidingAttentionConfig(hidden_size=6, num_heads=4)

    @pytest.mark.parametrize(
        ("field", "value", "told"),
        [("num_heads", 0, "'num_heads' must be > 0"), ("window", 1, "'window' must be >= 2")],
    )
    def test_sizes_have_a_least_value(self, field, value, told):
        with pytest.raises(ValueError, match=told):
            SlidingAttentionConfig(**{field: value})
