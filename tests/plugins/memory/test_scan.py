"""The linear recurrence against a loop that autograd follows; `B` rows, `T` steps, `H` width."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import example, given, settings

from glulam_memory import scan
from glulam_memory.scan import linear_recurrence


def by_loop(a, b, h):
    states = []
    for t in range(a.shape[1]):
        h = a[:, t] * h + b[:, t]
        states.append(h)
    return torch.stack(states, 1)


def drawn(rows, steps, width, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    a = torch.rand(rows, steps, width, generator=generator, dtype=dtype) * 2 - 1
    a = a.masked_fill(torch.rand(rows, steps, 1, generator=generator) < 0.2, 0)
    b, h = (torch.randn(*shape, generator=generator, dtype=dtype) for shape in ((rows, steps, width), (rows, width)))
    return [value.requires_grad_() for value in (a, b, h)]


@pytest.fixture(params=[1, 2, 3, 7, "as chosen"])
def block(request, monkeypatch):
    """Run in blocks of so many steps, whatever is the fastest."""
    if request.param != "as chosen":
        monkeypatch.setattr(scan, "_block", lambda a: min(request.param, a.shape[1]))


class TestValues:
    """Oracle: a Python loop."""

    @settings(deadline=None, max_examples=60)
    @given(rows=st.integers(1, 3), steps=st.integers(1, 70), width=st.integers(1, 4), seed=st.integers(0, 99))
    @example(rows=1, steps=1, width=1, seed=0)
    @example(rows=3, steps=67, width=4, seed=0)
    @example(rows=2, steps=64, width=1, seed=0)
    @example(rows=16, steps=37, width=128, seed=0)
    def test_outputs_and_gradients(self, rows, steps, width, seed):
        inputs = drawn(rows, steps, width, seed)
        found, expected = linear_recurrence(*inputs), by_loop(*inputs)
        torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)
        grad = torch.randn(found.shape, dtype=found.dtype)
        torch.testing.assert_close(
            torch.autograd.grad(found, inputs, grad),
            torch.autograd.grad(expected, inputs, grad),
            atol=1e-12,
            rtol=1e-12,
        )

    @pytest.mark.usefixtures("block")
    @pytest.mark.parametrize("steps", [1, 2, 5, 13, 16, 49])
    def test_in_blocks_of_any_size(self, steps):
        inputs = drawn(2, steps, 3)
        torch.testing.assert_close(linear_recurrence(*inputs), by_loop(*inputs), atol=1e-12, rtol=1e-12)

    @pytest.mark.usefixtures("block")
    def test_first_and_second_derivatives(self):
        assert torch.autograd.gradcheck(linear_recurrence, drawn(2, 9, 2))
        assert torch.autograd.gradgradcheck(linear_recurrence, drawn(1, 7, 2))

    def test_rows_that_do_not_lie_one_after_the_other(self):
        a, b, h = (value.detach() for value in drawn(8, 40, 6))
        strided = [a[::2].transpose(0, 1).contiguous().transpose(0, 1), b[::2, :, :], h[::2]]
        torch.testing.assert_close(linear_recurrence(*strided), by_loop(*strided), atol=1e-12, rtol=1e-12)


class TestZeroFactors:
    """Oracle: what was before a factor of zero can be anything finite."""

    @pytest.mark.usefixtures("block")
    def test_they_forget_to_the_bit(self):
        a, b, h = (value.detach() for value in drawn(2, 24, 3, dtype=torch.float32))
        a[:, 11] = 0
        other = b.clone()
        other[:, :11] = 1e38
        found, found_other = linear_recurrence(a, b, h), linear_recurrence(a, other, h + 1e38)
        assert torch.equal(found[:, 11:], found_other[:, 11:])
        assert (found_other[:, :11] - found[:, :11]).abs().min() > 1

    def test_control_a_factor_that_is_not_zero_remembers(self):
        a, b, h = (value.detach() for value in drawn(2, 24, 3, dtype=torch.float32))
        a[:] = 0.9
        kept = linear_recurrence(a, b, h)
        a[:, 11] = 0
        assert (linear_recurrence(a, b, h) - kept)[:, 11].abs().min() > 0.01
