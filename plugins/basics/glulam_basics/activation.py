"""Activation functions by name, and the gain of weights that feed them."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from glulam_basics.configs import ActivationName

__all__ = ["activation", "init_gain"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "leaky_relu": nn.LeakyReLU,
    "sigmoid": nn.Sigmoid,
    "identity": nn.Identity,
}
_SATURATING = ("tanh", "sigmoid", "identity")


def activation(name: ActivationName) -> nn.Module:
    """Return the activation called `name`, for tensors of any shape."""
    return _ACTIVATIONS[name]()


def init_gain(name: ActivationName) -> float:
    """Return the gain of orthogonal weights before an activation: sqrt(2) where it halves the variance."""
    return 1.0 if name in _SATURATING else sqrt(2)
