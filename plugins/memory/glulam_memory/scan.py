"""The linear recurrence h_t = a_t h_(t-1) + b_t over many steps, as one operation.

Legend: `B` rows, `T` steps, `H` width, `K` blocks of `S` steps.
"""

from __future__ import annotations

from itertools import pairwise
from math import isqrt
from typing import Any

import torch
from torch import Tensor

__all__ = ["linear_recurrence"]

BUSY = 2048  # elements a step from which a CPU gains nothing by taking several steps at once
SHORT = 32  # steps for which blocks do not pay


def linear_recurrence(a: Tensor, b: Tensor, h0: Tensor) -> Tensor:
    """Return h_1 to h_T (`[B, T, H]`) of h_t = a_t h_(t-1) + b_t.

    An a_t of zero forgets whatever finite value was before, exactly. It can be differentiated twice and more.

    Args:
        a: factors, `[B, T, H]`; of magnitude up to 1, since products of many are formed.
        b: what is added, `[B, T, H]`.
        h0: `[B, H]`.
    """
    return _states(a, b, h0, backwards=False)[:, 1:]


def _states(a: Tensor, b: Tensor, h: Tensor, *, backwards: bool) -> Tensor:
    states: Tensor = _States.apply(a, b, h, backwards)  # type: ignore[no-untyped-call]
    return states


class _States(torch.autograd.Function):
    """All states `[B, T + 1, H]` from the first one on, or backwards from the last one.

    The gradient is the same recurrence the other way: with s_t the gradient that reaches h_t from all that follows
    from it, s_(t-1) = a_t s_t + g_(t-1), from s_T = g_T.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, h: Tensor, backwards: bool) -> Tensor:  # noqa: ANN401, FBT001
        states = _run(a, b, h, _block(a), backwards=backwards)
        ctx.save_for_backward(a, states)
        ctx.backwards = backwards
        return states

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:  # noqa: ANN401 - autograd's own
        a, states = ctx.saved_tensors
        (grad,) = grads
        if ctx.backwards:
            sums = _states(a, grad[:, 1:], grad[:, 0], backwards=False)
            return sums[:, :-1] * states[:, 1:], sums[:, :-1], sums[:, -1], None
        sums = _states(a, grad[:, :-1], grad[:, -1], backwards=True)
        return sums[:, 1:] * states[:, :-1], sums[:, 1:], sums[:, 0], None


def _block(a: Tensor) -> int:
    """Return S: all steps where they are few or one of them fills the processor, else about sqrt(T)."""
    B, T, H = a.shape
    return T if T < SHORT or (a.device.type == "cpu" and B * H >= BUSY) else isqrt(T)


def _run(a: Tensor, b: Tensor, h: Tensor, size: int, *, backwards: bool) -> Tensor:
    """Return the states, `[B, T + 1, H]`, in blocks of `size` steps and what is left over step by step."""
    T = a.shape[1]
    states = b.new_empty(b.shape[0], T + 1, b.shape[2])
    states[:, T if backwards else 0] = h
    before, after = (states[:, 1:], states[:, :T]) if backwards else (states[:, :T], states[:, 1:])
    after.copy_(b)
    whole = T - T % size if size < T else 0
    if whole:
        first = slice(T - whole, T) if backwards else slice(whole)
        _add_in_blocks(a[:, first], h, after[:, first], size, backwards=backwards)
    rest = slice(T - whole) if backwards else slice(whole, T)
    steps = list(zip(a[:, rest].unbind(1), before[:, rest].unbind(1), after[:, rest].unbind(1), strict=True))
    for factor, value, sum_ in reversed(steps) if backwards else steps:
        sum_.addcmul_(factor, value)  # (B, H)
    return states


def _add_in_blocks(a: Tensor, h: Tensor, sums: Tensor, size: int, *, backwards: bool) -> None:
    """Turn b in `sums` into states: each block as if it began from zero, then what the one before passes on."""
    factors, sums = (part.view(part.shape[0], -1, size, part.shape[2]) for part in (a, sums))  # (B, K, S, H)
    products = factors.clone()
    order = range(size - 1, -1, -1) if backwards else range(size)
    for before, now in pairwise(order):
        sums[:, :, now].addcmul_(factors[:, :, now], sums[:, :, before])  # (B, K, H)
        products[:, :, now].mul_(products[:, :, before])
    end, blocks = order[-1], factors.shape[1]
    passed = _run(products[:, :, end], sums[:, :, end], h, blocks, backwards=backwards)  # (B, K + 1, H)
    starts = passed[:, 1:] if backwards else passed[:, :-1]
    sums.addcmul_(products, starts[:, :, None])
