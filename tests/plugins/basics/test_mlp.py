"""The multi-layer perceptron."""

from math import sqrt
from pathlib import Path

import numpy as np
import pytest
import torch

from glulam_basics.configs import MlpConfig
from glulam_basics.mlp import mlp

VECTORS = Path(__file__).parents[2] / "vectors"


class TestReferenceVectors:
    """Oracle: the original's `fc` layers between its convolutions (by plain `conv2d`) and its memory."""

    def test_the_two_layers_of_fast(self):
        with np.load(VECTORS / "fast.npz") as file:
            wanted = [key for key in file.files if key.startswith(("w/conv", "w/fc", "out/box", "out/encoded"))]
            arrays = {key: torch.from_numpy(file[key]) for key in wanted}
        x = arrays["out/box"]
        for number, stride in ((0, 3), (1, 1)):
            weight, bias = (arrays[f"w/conv.{number}.{name}"] for name in ("weight", "bias"))
            x = torch.nn.functional.conv2d(x, weight, bias, stride=stride).relu()
        encoder = MlpConfig(
            in_key="x", out_key="y", in_dim=64, hidden_sizes=(128,), out_dim=128, activate_last=True
        ).build()
        encoder.load_state_dict(
            {f"{2 * n}.{name}": arrays[f"w/fc.{n}.{name}"] for n in (0, 1) for name in ("weight", "bias")}
        )
        torch.testing.assert_close(encoder(x.flatten(1)), arrays["out/encoded"], atol=1e-5, rtol=0)


class TestValues:
    """Oracle: one product a layer."""

    @pytest.mark.parametrize("last", [False, True])
    @pytest.mark.parametrize("widths", [(3, 2), (3, 5, 2), (3, 5, 4, 2)])
    def test_maps_with_activations_between(self, widths, last):
        network, x = mlp(widths, "tanh", activate_last=last), torch.randn(4, 6, 3)
        expected = x
        weights = [value for name, value in network.named_parameters() if "weight" in name]
        for number, weight in enumerate(weights, start=1):
            expected = torch.einsum("oi,bni->bno", weight, expected)
            if last or number < len(weights):
                expected = expected.tanh()
        torch.testing.assert_close(network(x), expected)


class TestInit:
    def test_gains_follow_the_activations(self):
        weights = [value for name, value in mlp((8, 6, 4), "relu").named_parameters() if "weight" in name]
        for weight, gain in zip(weights, (sqrt(2), 1.0), strict=True):
            gram = weight @ weight.t()
            torch.testing.assert_close(gram, gain**2 * torch.eye(len(gram)), atol=1e-5, rtol=0)

    def test_the_last_gain_when_it_is_activated(self):
        last = mlp((8, 4), "relu", activate_last=True)[0].weight
        torch.testing.assert_close(last @ last.t(), 2 * torch.eye(4), atol=1e-5, rtol=0)


class TestConfig:
    def test_the_width_is_inferred(self, complete):
        (config,), dims = complete(mlp=MlpConfig(in_key="wide", out_key="x", out_dim=2))
        assert (config.in_dim, dims) == (6, (2,))

    @pytest.mark.parametrize(
        ("field", "value", "message"),
        [
            ("hidden_sizes", (4, 0), "must be > 0"),
            ("out_dim", 0, "'out_dim' must be > 0"),
            ("activation", "softplus", "'activation' must be in"),
        ],
    )
    def test_bad_fields(self, field, value, message):
        with pytest.raises(ValueError, match=message):
            MlpConfig(**({"in_key": "x", "out_key": "y", "out_dim": 1} | {field: value}))
