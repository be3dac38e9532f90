"""Batches for a categorical distribution, and torch's own."""

import hypothesis.strategies as st
import torch
from torch.distributions import Categorical


@st.composite
def batches(draw):
    """Draw logits `[B, A]`, a mask with an allowed action in each row (or None), and allowed actions."""
    rows, count = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    logits = torch.randn(rows, count, generator=generator) * draw(st.sampled_from([0.1, 1.0, 30.0]))
    actions = torch.randint(count, (rows,), generator=generator)
    if draw(st.booleans()):
        return logits, None, actions
    mask = torch.rand(rows, count, generator=generator) < 0.5
    mask[torch.arange(rows), actions] = True
    return logits, mask, actions


def categorical(logits, mask):
    return Categorical(logits=logits if mask is None else logits.masked_fill(~mask, -torch.inf), validate_args=False)
