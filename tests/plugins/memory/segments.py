"""What the tests of memory layers have in common: lively layers, segments with resets, runs and their gradients.

Legend: `B` rows, `T` steps, `N` layers.
"""

import hypothesis.strategies as st
import torch

from glulam import MemoryLayer, mask_state
from glulam_memory.gru import Gru
from glulam_memory.lstm import Lstm
from glulam_memory.min_gru import MinGru
from glulam_memory.sliding_attention import SlidingAttention

__all__ = [
    "HIDDEN",
    "KINDS",
    "RECURRENT",
    "WIDTH",
    "assert_equal_runs",
    "by_sequence",
    "by_steps",
    "lively",
    "resets",
    "segment",
]

WIDTH, HIDDEN, WINDOW = 5, 4, 3
RECURRENT = {"lstm": Lstm, "gru": Gru, "min_gru": MinGru}
KINDS = [*RECURRENT, "sliding_attention"]


def lively(kind, layers=1, *, seed=0, dtype=torch.float32, **options):
    """Return a layer whose memory matters: weights large enough that a state left standing is seen at once."""
    torch.manual_seed(seed)
    alpha = 0.7
    if kind in RECURRENT:
        layer = RECURRENT[kind](WIDTH, HIDDEN, layers, **options).to(dtype)
    else:
        options = {"num_heads": 2, "window": WINDOW} | options
        alpha = 0.3  # a LayerNorm of four units makes more of rounding otherwise
        layer = SlidingAttention(WIDTH, HIDDEN, num_layers=layers, **options).to(dtype)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=alpha)
    return layer


def segment(layer, reset, *, seed=0):
    """Return `(x, reset, state)` with leaves that take a gradient, of episodes under way or about to begin."""
    generator = torch.Generator().manual_seed(seed)
    dtype = next(layer.parameters()).dtype
    rows, steps = reset.shape
    earlier, x = (torch.randn(rows, count, WIDTH, generator=generator, dtype=dtype) for count in (4, steps))
    cuts = torch.rand(rows, 4, generator=generator) < 0.2
    with torch.no_grad():
        _, state = layer.sequence(earlier, cuts, layer.initial_state(rows))
    state = mask_state(state, torch.rand(rows, generator=generator) < 0.1)
    return x.requires_grad_(), reset, {name: _leaf(value) for name, value in state.items()}


def _leaf(value):
    return value.requires_grad_() if value.is_floating_point() else value


def resets(max_rows=4, max_steps=9):
    """Draw resets anywhere, the first step and whole rows included."""
    return st.integers(1, max_rows).flatmap(
        lambda rows: st.integers(1, max_steps).flatmap(
            lambda steps: st.lists(
                st.lists(st.booleans(), min_size=steps, max_size=steps), min_size=rows, max_size=rows
            ).map(torch.tensor)
        )
    )


def by_sequence(layer, x, reset, state):
    """Run the layer's own `sequence`."""
    return layer.sequence(x, reset, state)


def by_steps(layer, x, reset, state):
    """Run a loop of the layer's `step`."""
    return MemoryLayer.sequence(layer, x, reset, state)


def gradients(run, layer, x, reset, state):
    """Return outputs, final states and the gradients of a random mixture of them."""
    y, after = run(layer, x, reset, state)
    generator = torch.Generator().manual_seed(7)
    results = [y, *(after[name] for name in state)]
    floats = [result for result in results if result.is_floating_point()]
    loss = sum((r * torch.randn(r.shape, generator=generator, dtype=r.dtype)).sum() for r in floats)
    leaves = [leaf for leaf in (x, *state.values(), *layer.parameters()) if leaf.requires_grad]
    found = torch.autograd.grad(loss, leaves, allow_unused=True)
    return results, [torch.zeros_like(leaf) if grad is None else grad for leaf, grad in zip(leaves, found, strict=True)]


def assert_equal_runs(first, second, layer, x, reset, state, tolerance=1e-5):
    """Assert that two ways to run a segment give equal outputs, states and gradients."""
    found, found_grads = gradients(first, layer, x, reset, state)
    expected, expected_grads = gradients(second, layer, x, reset, state)
    for value, expected_value in zip([*found, *found_grads], [*expected, *expected_grads], strict=True):
        _assert_close(value, expected_value, tolerance)


def _assert_close(value, expected, tolerance):
    """Assert closeness, in units of the largest element where that is over 1."""
    scale = max(1.0, float(expected.detach().abs().max())) if expected.numel() else 1.0
    torch.testing.assert_close(value / scale, expected / scale, atol=tolerance, rtol=tolerance)
