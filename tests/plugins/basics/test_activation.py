"""Activation functions by name."""

from math import erf
from typing import get_args

import numpy as np
import pytest
import torch

from glulam_basics.activation import activation, init_gain
from glulam_basics.configs import ActivationConfig, ActivationName

ORACLE = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "gelu": lambda x: x * 0.5 * (1 + np.vectorize(erf)(x / np.sqrt(2))),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "identity": lambda x: x,
}


class TestValues:
    """Oracle: the formulas in numpy."""

    @pytest.mark.parametrize("name", get_args(ActivationName))
    def test_each_function(self, name):
        x = np.linspace(-4, 4, 24).reshape(2, 3, 4)
        torch.testing.assert_close(activation(name)(torch.from_numpy(x)).numpy(), ORACLE[name](x))

    def test_the_gain_restores_what_a_relu_halves(self):
        torch.manual_seed(0)
        x = torch.randn(2000, 64)
        weight = torch.nn.init.orthogonal_(torch.empty(64, 64), init_gain("relu"))
        assert (x @ weight.t()).relu().square().mean().item() == pytest.approx(1, abs=0.05)
        assert init_gain("tanh") == 1


class TestConfig:
    def test_any_shape_passes(self, complete):
        _, dims = complete(activation=ActivationConfig(in_key="tokens", out_key="x"))
        assert dims == ("obs_shaper.N", 3)

    def test_an_unknown_function(self):
        with pytest.raises(ValueError, match="'function' must be in"):
            ActivationConfig(in_key="x", out_key="y", function="reluu")

    def test_the_default_is_relu(self):
        assert ActivationConfig(in_key="x", out_key="y").build()(torch.tensor([-1.0, 2.0])).tolist() == [0, 2]
