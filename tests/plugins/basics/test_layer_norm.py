"""Layer normalisation."""

import numpy as np
import pytest
import torch

from glulam import GlulamError
from glulam_basics.configs import LayerNormConfig


class TestValues:
    """Oracle: mean and variance in numpy."""

    def test_over_the_last_dim(self):
        norm = LayerNormConfig(in_key="x", out_key="y", in_dim=6, eps=0.1).build().double()
        torch.nn.init.normal_(norm.weight)
        torch.nn.init.normal_(norm.bias)
        x = np.random.default_rng(0).normal(2, 3, (4, 5, 6))
        expected = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 0.1)
        expected = expected * norm.weight.detach().numpy() + norm.bias.detach().numpy()
        torch.testing.assert_close(norm(torch.from_numpy(x)).detach().numpy(), expected)


class TestConfig:
    def test_the_width_is_inferred_and_kept(self, complete):
        (config,), dims = complete(norm=LayerNormConfig(in_key="tokens", out_key="x"))
        assert (config.in_dim, dims) == (3, ("obs_shaper.N", 3))

    def test_an_unknown_width_is_an_error(self):
        with pytest.raises(GlulamError, match="in_dim is not known"):
            LayerNormConfig(in_key="x", out_key="y").build()

    def test_eps_is_positive(self):
        with pytest.raises(ValueError, match="'eps' must be > 0"):
            LayerNormConfig(in_key="x", out_key="y", eps=0.0)
