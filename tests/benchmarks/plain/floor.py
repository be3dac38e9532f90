"""What a plain policy's matrix products, convolutions and LSTM cost by themselves: how near to them is the whole?

One run is recorded, its LSTM replaced by a stand-in; then its products are called bare, on ready tensors of the same
shapes and strides, backward ones included, and the LSTM beside them.
"""

from functools import partial

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["floor"]

PRODUCTS = {
    torch.ops.aten.mm.default: torch.mm,
    torch.ops.aten.addmm.default: torch.addmm,
    torch.ops.aten.bmm.default: torch.bmm,
    torch.ops.aten.convolution.default: torch.convolution,
    torch.ops.aten.convolution_backward.default: torch.ops.aten.convolution_backward,
}


def floor(plain, run, lstm_shapes):
    """Return a callable that does the products of a run and nothing else.

    Args:
        plain: the policy.
        run: runs it, forward or forward and backward.
        lstm_shapes: `(steps, rows)` of each call of `nn.LSTM`. Segments are one call, as if no episode ended in them.
    """
    lstm, recorder = plain.memory.lstm, Recorder()
    plain.memory.lstm = StandIn(lstm)
    try:
        with recorder:
            run()
    finally:
        plain.memory.lstm = lstm
    calls = recorder.calls + [lstm_call(lstm, *shape) for shape in lstm_shapes]

    def bare():
        for call in calls:
            call()

    return bare


class StandIn(nn.Module):
    """Gives what it gets, where an LSTM was."""

    def __init__(self, lstm):
        super().__init__()
        self.num_layers, self.hidden_size = lstm.num_layers, lstm.hidden_size

    def forward(self, x, state):
        return x, state


class Recorder(TorchDispatchMode):
    """Collects products as calls on tensors of the same shapes and strides, made once for each shape."""

    def __init__(self):
        super().__init__()
        self.calls, self.ready = [], {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in PRODUCTS:
            self.calls.append(partial(no_grad, PRODUCTS[func], *map(self.same, args), **kwargs))
        return func(*args, **kwargs)

    def same(self, arg):
        if not isinstance(arg, torch.Tensor):
            return arg
        key = tuple(arg.shape), arg.stride()
        if key not in self.ready:
            extent = 1 + sum((size - 1) * stride for size, stride in zip(*key, strict=True))
            self.ready[key] = torch.randn(extent).as_strided(*key)
        return self.ready[key]


def no_grad(product, *args, **kwargs):
    with torch.no_grad():
        product(*args, **kwargs)


def lstm_call(lstm, steps, rows):
    """Return a call of the LSTM, with its backward pass where gradients are on as it is called."""
    x = torch.randn(steps, rows, lstm.input_size, requires_grad=True)
    state = (torch.zeros(lstm.num_layers, rows, lstm.hidden_size),) * 2
    ones = torch.ones(steps, rows, lstm.hidden_size)

    def call():
        y, _ = lstm(x, state)
        if y.requires_grad:
            torch.autograd.grad(y, [x, *lstm.parameters()], ones)

    return call
