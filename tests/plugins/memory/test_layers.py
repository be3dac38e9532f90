"""What holds for every memory layer: segments, resets, rollout, errors; `B` rows, `T` steps, `N` layers."""

import copy
import pickle

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from tensordict import TensorDict
from torch import nn

from glulam import GlulamError
from glulam.memory import Rows
from glulam_memory import configs
from tests.plugins.memory.segments import (
    HIDDEN,
    KINDS,
    RECURRENT,
    WIDTH,
    assert_equal_runs,
    by_sequence,
    by_steps,
    lively,
    resets,
    segment,
)

CONFIGS = {
    "lstm": configs.LstmConfig,
    "gru": configs.GruConfig,
    "min_gru": configs.MinGruConfig,
    "sliding_attention": configs.SlidingAttentionConfig,
}
every_kind = pytest.mark.parametrize("kind", KINDS)
recurrent = pytest.mark.parametrize("kind", RECURRENT)


class TestSegments:
    """Oracle: a loop of `step` (the base class's `sequence`)."""

    @every_kind
    @settings(deadline=None, max_examples=40)
    @given(reset=resets(), layers=st.integers(1, 3), seed=st.integers(0, 99))
    def test_a_sequence_is_a_loop_of_steps_to_twelve_digits(self, kind, reset, layers, seed):
        layer = lively(kind, layers, seed=seed, dtype=torch.float64)
        assert_equal_runs(by_sequence, by_steps, layer, *segment(layer, reset, seed=seed), tolerance=1e-12)

    # Drawn layers may make any amount of rounding: in single precision these are held to five digits.
    @every_kind
    @pytest.mark.parametrize(
        ("layers", "reset"),
        [
            (2, [[True] * 7] * 3),
            (2, [[True] + [False] * 5]),
            (2, [[False] * 5 + [True], [False] * 6]),
            (1, [[False, True, True, True, False, True], [False] * 6]),
            (3, [[False] * 9, [True, False, False] * 3]),
        ],
        ids=["all", "first", "last", "some", "three layers"],
    )
    def test_nor_does_single_precision_part_them(self, kind, layers, reset):
        layer = lively(kind, layers)
        assert_equal_runs(by_sequence, by_steps, layer, *segment(layer, torch.tensor(reset)))

    @recurrent
    @settings(deadline=None, max_examples=15)
    @given(reset=resets(), seed=st.integers(0, 99))
    def test_with_a_skip_through_a_linear_map(self, kind, reset, seed):
        layer = lively(kind, 2, seed=seed, dtype=torch.float64, skip=True)
        assert_equal_runs(by_sequence, by_steps, layer, *segment(layer, reset, seed=seed), tolerance=1e-12)

    @every_kind
    @settings(deadline=None, max_examples=20)
    @given(reset=resets(), data=st.data())
    def test_a_segment_may_start_in_mid_episode(self, kind, reset, data):
        cut = data.draw(st.integers(0, reset.shape[1]))
        layer = lively(kind, 2, dtype=torch.float64)
        x, _, state = segment(layer, reset)
        whole, after = layer.sequence(x, reset, state)
        parts = []
        for part in (slice(0, cut), slice(cut, None)):
            if reset[:, part].numel():
                y, state = layer.sequence(x[:, part], reset[:, part], state)
                parts.append(y)
        torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-12, rtol=1e-12)
        torch.testing.assert_close(state, after, atol=1e-12, rtol=1e-12)

    @every_kind
    @settings(deadline=None, max_examples=20)
    @given(reset=resets(), data=st.data())
    def test_rows_do_not_depend_on_each_other(self, kind, reset, data):
        rows = data.draw(st.permutations(range(len(reset))).flatmap(
            lambda order: st.integers(1, len(order)).map(lambda count: order[:count])))  # fmt: skip
        layer = lively(kind, 2, dtype=torch.float64)
        x, _, state = segment(layer, reset)
        whole, after = layer.sequence(x, reset, state)
        some, some_after = layer.sequence(x[rows], reset[rows], {name: s[rows] for name, s in state.items()})
        torch.testing.assert_close(some, whole[rows], atol=1e-12, rtol=1e-12)
        for name in after:
            torch.testing.assert_close(some_after[name], after[name][rows], atol=1e-12, rtol=1e-12)

    @every_kind
    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_in_half_precision(self, kind, dtype):
        reset = torch.tensor([[False, True, False, False], [False, False, False, True]])
        layer = lively(kind, 2, dtype=torch.float64)
        x, _, state = segment(layer, reset)
        expected, _ = layer.sequence(x, reset, state)
        low = {name: value.to(dtype) if value.is_floating_point() else value for name, value in state.items()}
        y, _ = layer.to(dtype).sequence(x.to(dtype), reset, low)
        assert y.dtype == dtype
        assert (y - expected).abs().max() < 0.05 * expected.abs().max()


class TestResets:
    """Oracle: what was before a reset can be anything at all."""

    @every_kind
    @settings(deadline=None, max_examples=30)
    @given(reset=resets(), layers=st.integers(1, 2), anything=st.sampled_from([50.0, 1e5, 1e15]))
    def test_nothing_before_a_reset_is_seen_after_it_not_even_a_bit(self, kind, reset, layers, anything):
        layer = lively(kind, layers)
        x, _, state = segment(layer, reset)
        last = [int(row.nonzero().max()) if row.any() else 0 for row in reset]
        other = x.detach().clone()
        others = {name: value.detach().clone() for name, value in state.items()}
        for b, t in enumerate(last):
            other[b, :t] = anything
            for name, value in others.items() if reset[b].any() else ():
                largest = 9.0 if name == "h" and kind != "min_gru" else 1e4  # those are bounded by 1
                value[b] = 2 if not value.is_floating_point() else torch.inf if reset[b, 0] else largest
        y, after = layer.sequence(x, reset, state)
        y_other, after_other = layer.sequence(other, reset, others)
        for b, t in enumerate(last):
            assert torch.equal(y[b, t:], y_other[b, t:])
            assert all(torch.equal(after[name][b], after_other[name][b]) for name in after)

    @recurrent
    @settings(deadline=None, max_examples=30)
    @given(reset=resets(), data=st.data())
    def test_gradient_goes_back_to_the_last_reset_and_no_further(self, kind, reset, data):
        rows, steps = reset.shape
        t, layers = data.draw(st.integers(0, steps - 1)), 2
        layer = lively(kind, layers, dtype=torch.float64)
        x, _, state = segment(layer, reset)
        y, _ = layer.sequence(x, reset, state)
        grad_x, *grads = torch.autograd.grad(y[:, t].sum(), [x, *state.values()])
        for b in range(rows):
            begun = reset[b, : t + 1].nonzero()
            start = int(begun.max()) if begun.numel() else 0
            assert (grad_x[b, start : t + 1].abs().sum(-1) > 0).all()
            assert not grad_x[b, :start].any()
            assert not grad_x[b, t + 1 :].any()
            assert all(grad[b].any() == (not begun.numel()) for grad in grads)

    @every_kind
    @pytest.mark.parametrize("steps", [1, 8])
    def test_control_a_single_skipped_reset_fails_the_law(self, kind, steps):
        reset = torch.zeros(4, steps, dtype=torch.bool)
        reset[1, steps // 2] = True
        layer = lively(kind, 2, dtype=torch.float64)
        x, _, state = segment(layer, reset)
        sabotaged, _ = layer.sequence(x, torch.zeros_like(reset), state)
        honest, _ = by_steps(layer, x, reset, state)
        assert (sabotaged - honest)[1, steps // 2].abs().max() > 0.05
        assert (sabotaged - honest)[[0, 2, 3]].abs().max() < 1e-12

    @every_kind
    def test_huge_inputs_do_not_open_what_a_reset_shuts(self, kind):
        reset = torch.zeros(3, 6, dtype=torch.bool)
        reset[0, 3] = reset[1, 5] = True
        layer = lively(kind, 2, dtype=torch.float64)
        x, _, state = segment(layer, reset)
        y, after = layer.sequence(x * 1e5, reset, state)
        expected, expected_after = by_steps(layer, x * 1e5, reset, state)
        torch.testing.assert_close(y, expected, atol=1e-9, rtol=1e-9)
        torch.testing.assert_close(after, expected_after, atol=1e-9, rtol=1e-9)


class TestRollout:
    """Oracle: `sequence`, over what the slots were given step by step."""

    @every_kind
    def test_slots_carry_the_state_of_each_row(self, kind):
        torch.manual_seed(3)
        bound = CONFIGS[kind](in_key="x", out_key="y", in_dim=WIDTH, hidden_size=HIDDEN, num_layers=2).instantiate()
        x, reset = torch.randn(4, 7, WIDTH), torch.rand(4, 7) < 0.2
        expected, after = bound.module.sequence(x, reset, bound.module.initial_state(4))
        for t in range(7):
            ids = torch.randperm(4)
            flags = {"dones": reset[ids, t], "truncateds": torch.zeros(4, dtype=torch.bool)}
            td = bound(TensorDict({"x": x[ids, t], "env_id": ids, **flags}, batch_size=[4]))
            torch.testing.assert_close(td["y"], expected[ids, t], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(bound.module.slots.read(Rows(torch.arange(4))), after, atol=1e-5, rtol=1e-5)

    @every_kind
    def test_copies_and_pickles_run_alike(self, kind):
        layer = lively(kind, 2)
        inputs = segment(layer, torch.tensor([[False, True, False]]))
        expected, _ = layer.sequence(*inputs)
        for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):  # noqa: S301 - our own bytes
            assert torch.equal(twin.sequence(*inputs)[0], expected)

    @every_kind
    def test_a_step_compiles_into_one_graph(self, kind):
        layer = lively(kind, 2)
        step = torch.compile(layer.step, fullgraph=True, backend="eager")
        x, _, state = segment(layer, torch.zeros(3, 1, dtype=torch.bool))
        x, state = x.detach()[:, 0], {name: value.detach() for name, value in state.items()}
        torch.testing.assert_close(step(x, state), layer.step(x, state))


class TestSkip:
    """Oracle: the same weights without a skip."""

    @recurrent
    def test_the_input_is_added_where_the_widths_agree(self, kind):
        layer, plain = RECURRENT[kind](HIDDEN, HIDDEN, skip=True), RECURRENT[kind](HIDDEN, HIDDEN)
        plain.load_state_dict(layer.state_dict())  # no weights of its own
        x, reset = torch.randn(2, 3, HIDDEN), torch.zeros(2, 3, dtype=torch.bool)
        y, after = layer.sequence(x, reset, layer.initial_state(2))
        expected, expected_after = plain.sequence(x, reset, plain.initial_state(2))
        torch.testing.assert_close(y, expected + x)
        assert torch.equal(after["h"], expected_after["h"])  # what is remembered is the memory's own

    @recurrent
    def test_an_orthogonal_map_joins_other_widths(self, kind):
        weight = RECURRENT[kind](WIDTH, HIDDEN, skip=True).skip_weight
        torch.testing.assert_close(weight @ weight.t(), torch.eye(HIDDEN), atol=1e-5, rtol=0)


class TestErrors:
    @every_kind
    @pytest.mark.parametrize(
        ("shape", "message"),
        [
            ((2, 3), r"the input has shape \[2, 3\], expected rank 2 and width 5"),
            ((2, 1, 5), r"the input has shape \[2, 1, 5\], expected rank 2 and width 5"),
        ],
    )
    def test_the_input_of_a_step(self, kind, shape, message):
        layer = lively(kind)
        with pytest.raises(GlulamError, match=f"^{kind}: {message}"):
            layer.step(torch.zeros(shape), layer.initial_state(2))

    @every_kind
    def test_the_resets_of_a_sequence(self, kind):
        layer = lively(kind)
        with pytest.raises(GlulamError, match=rf"^{kind}: reset has shape \[2, 4\], the input \[2, 3, 5\]"):
            layer.sequence(torch.zeros(2, 3, 5), torch.zeros(2, 4, dtype=torch.bool), layer.initial_state(2))

    @every_kind
    def test_each_tensor_of_the_state(self, kind):
        layer = lively(kind)
        state = layer.initial_state(2)
        for name, value in state.items():
            found, expected = [2, 7, *value.shape[2:]], list(value.shape)
            wrong = state | {name: value.new_zeros(found)}
            message = f"{kind}: state {name!r} has shape {found}, expected {expected}"
            with pytest.raises(GlulamError, match=f"^{_literally(message)}$"):
                layer.step(torch.zeros(2, 5), wrong)

    @every_kind
    def test_an_unknown_width_says_what_to_do(self, kind):
        with pytest.raises(GlulamError, match=f"^{kind}: in_dim is not known; set it, or let a policy infer it"):
            CONFIGS[kind]().build()

    @every_kind
    @pytest.mark.parametrize("field", ["in_dim", "hidden_size", "num_layers"])
    def test_sizes_are_positive(self, kind, field):
        with pytest.raises(ValueError, match=f"'{field}' must be > 0"):
            CONFIGS[kind](**{field: 0})


class TestConfigs:
    @recurrent
    def test_the_module_is_built_as_told(self, kind):
        layer = CONFIGS[kind](in_dim=3, hidden_size=6, num_layers=2, bias_init=0.5, skip=True).build()
        assert type(layer) is RECURRENT[kind]
        assert (layer.in_dim, layer.hidden_size, layer.num_layers, layer.skip) == (3, 6, 2, True)
        assert (layer.bias_ih_l1[:6] == 0.5).all()

    @recurrent
    def test_weights_start_orthogonal(self, kind):
        for name, value in RECURRENT[kind](WIDTH, HIDDEN, 2).named_parameters():
            if "weight" in name:
                torch.testing.assert_close(value.t() @ value, torch.eye(value.shape[1]), atol=1e-5, rtol=0)
            else:
                assert not value.any()

    @pytest.mark.parametrize(("kind", "peer"), [("lstm", nn.LSTM), ("gru", nn.GRU)])
    def test_names_and_shapes_are_those_of_torch(self, kind, peer):
        state = peer(WIDTH, HIDDEN, 3).state_dict()
        layer = RECURRENT[kind](WIDTH, HIDDEN, 3)
        layer.load_state_dict(state)
        found = {name: value.shape for name, value in layer.state_dict().items()}
        assert found == {name: value.shape for name, value in state.items()}


def _literally(text):
    return "".join(f"\\{c}" if c in "[]" else c for c in text)
