"""The multi-layer perceptron."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from torch import nn

from glulam_basics.activation import activation, init_gain
from glulam_basics.linear import Linear

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glulam_basics.configs import ActivationName

__all__ = ["mlp"]


def mlp(widths: Sequence[int], name: ActivationName, *, activate_last: bool = False) -> nn.Sequential:
    """Return linear maps from each width to the next, `[..., widths[0]]` to `[..., widths[-1]]`.

    Args:
        widths: two or more.
        name: the activation after each map but the last.
        activate_last: whether it follows the last one too.
    """
    pairs = list(pairwise(widths))
    layers: list[nn.Module] = []
    for number, (in_dim, out_dim) in enumerate(pairs, start=1):
        active = activate_last or number < len(pairs)
        layers.append(Linear(in_dim, out_dim, init_gain=init_gain(name) if active else 1.0))
        if active:
            layers.append(activation(name))
    return nn.Sequential(*layers)
