"""The convolutional encoder."""

from __future__ import annotations

import re
import subprocess
import sys
from operator import le
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensordict import TensorDict

from glulam import GlulamError, PolicyError
from glulam_vision.configs import CnnConfig

VECTORS = Path(__file__).parents[2] / "vectors"


def cnn(in_channels=2, height=11, width=11, **fields):
    return CnnConfig(in_channels=in_channels, height=height, width=width, **fields).build()


def convolved(x, weight, bias, stride):
    """One convolution and its ReLU: for each output the sum over a window, in numpy."""
    rows, columns, kernel = x.shape[2], x.shape[3], weight.shape[-1]
    height, width = (rows - kernel) // stride + 1, (columns - kernel) // stride + 1
    out = np.empty((len(x), len(weight), height, width))
    for b, c, i, j in np.ndindex(out.shape):
        window = x[b, :, i * stride : i * stride + kernel, j * stride : j * stride + kernel]
        out[b, c, i, j] = max(0.0, (window * weight[c]).sum() + bias[c])
    return out


class TestValues:
    """Oracle: `convolved`, window by window."""

    @settings(deadline=None, max_examples=40)
    @given(st.data())
    def test_every_output_is_a_window_sum(self, data):
        small = st.integers(1, 3)
        kernels = data.draw(st.lists(small, min_size=1, max_size=2))
        strides = [data.draw(small) for _ in kernels]
        channels = [data.draw(small) for _ in kernels]
        size = [data.draw(st.integers(5, 8)) for _ in range(2)]
        if (min(size) - kernels[0]) // strides[0] + 1 < kernels[-1]:
            kernels[-1] = 1
        config = CnnConfig(
            in_channels=data.draw(small),
            height=size[0],
            width=size[1],
            channels=tuple(channels),
            kernel_sizes=tuple(kernels),
            strides=tuple(strides),
        )
        torch.manual_seed(0)
        layer = config.build().double()
        for parameter in layer.parameters():
            torch.nn.init.normal_(parameter)
        x = torch.randn(2, config.in_channels, *size, dtype=torch.float64)
        wanted = x.numpy()
        for convolution, stride in zip(layer.convolutions, strides, strict=True):
            weight, bias = convolution.weight.detach().numpy(), convolution.bias.detach().numpy()
            wanted = convolved(wanted, weight, bias, stride)
        for given_x in (x, x.contiguous(memory_format=torch.channels_last)):
            out = layer(given_x)
            assert out.shape == (2, config.out_dim)
            np.testing.assert_allclose(out.detach().numpy(), wanted.reshape(2, -1), atol=1e-12)

    def test_equals_the_original(self):
        """Oracle: the encoder of the reference policy `fast`; its two linear maps are written out here."""
        with np.load(VECTORS / "fast.npz") as file:
            arrays = {name: torch.from_numpy(file[name]).double() for name in file.files}
        layer = cnn(24).double()
        names = [f"{number}.{part}" for number in (0, 1) for part in ("weight", "bias")]
        layer.load_state_dict({f"convolutions.{name}": arrays[f"w/conv.{name}"] for name in names})
        x = layer(arrays["out/box"])
        for number in (0, 1):
            x = (x @ arrays[f"w/fc.{number}.weight"].T + arrays[f"w/fc.{number}.bias"]).clamp(min=0)
        torch.testing.assert_close(x, arrays["out/encoded"], rtol=1e-5, atol=1e-5)


class TestConfig:
    """Oracle: values worked out by hand, or the message."""

    @pytest.mark.parametrize(
        ("height", "width", "fields", "out_dim"),
        [
            (11, 11, {}, 64),
            (13, 11, {}, 64),
            (17, 14, {}, 64 * 3 * 2),
            (7, 5, {"channels": (3,), "kernel_sizes": (3,), "strides": (2,)}, 3 * 3 * 2),
        ],
    )
    def test_out_dim(self, height, width, fields, out_dim):
        config = CnnConfig(in_channels=1, height=height, width=width, **fields)
        assert config.out_dim == out_dim
        assert config.build()(torch.zeros(1, 1, height, width)).shape == (1, out_dim)

    @pytest.mark.parametrize(
        ("height", "found", "remedy"),
        [
            (7, "convolution 2 with its 3 x 3 kernel gets 1 x 3", "strides to [1, 1]"),
            (5, "convolution 2 with its 3 x 3 kernel gets 1 x 3", "kernel_sizes to [3, 3] and strides to [1, 1]"),
            (4, "convolution 1 with its 5 x 5 kernel gets 4 x 11", "kernel_sizes to [2, 2] and strides to [1, 1]"),
            (1, "convolution 1 with its 5 x 5 kernel gets 1 x 11", "kernel_sizes to [1, 1] and strides to [1, 1]"),
        ],
    )
    def test_a_view_too_small_for_the_kernels(self, height, found, remedy):
        message = f"an input of {height} x 11 is too small: {found}; set {remedy}"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            _ = CnnConfig(in_channels=1, height=height, width=11).out_dim

    @settings(deadline=None, max_examples=80)
    @given(st.integers(1, 9), st.lists(st.tuples(st.integers(1, 9), st.integers(1, 3)), min_size=1, max_size=4))
    def test_what_it_says_to_set_fits(self, size, convolutions):
        """Oracle: `out_dim` of the config that the message names, which raises where it does not fit."""
        kernels, strides = zip(*convolutions, strict=True)
        fields = {"channels": (1,) * len(kernels), "kernel_sizes": kernels, "strides": strides}
        config = CnnConfig(in_channels=1, height=size, width=size + 1, **fields)
        try:
            assert config.out_dim > 0
        except ValueError as error:
            for name, numbers in re.findall(r"(kernel_sizes|strides) to \[([\d, ]+)\]", str(error)):
                fields[name] = tuple(map(int, numbers.split(", ")))
            assert all(map(le, fields["kernel_sizes"], kernels))
            assert CnnConfig(in_channels=1, height=size, width=size + 1, **fields).out_dim > 0

    def test_a_policy_says_it_before_anything_is_built(self, resolved):
        with pytest.raises(
            PolicyError, match=r"GL403 out_dim: an input of 7 x 7 is too small.*set strides to \[1, 1\]"
        ):
            resolved(CnnConfig(), 7, 7)

    def test_an_unknown_size(self):
        with pytest.raises(ValueError, match="^the height and width of the input are not known; set both"):
            _ = CnnConfig().out_dim
        with pytest.raises(GlulamError, match="^cnn: in_channels, height and width are not all known"):
            CnnConfig(height=11, width=11).build()

    @pytest.mark.parametrize("field", ["kernel_sizes", "strides"])
    def test_one_number_a_convolution(self, field):
        message = f"^{field} has 1 numbers, channels has 2; one a convolution$"
        with pytest.raises(ValueError, match=message):
            CnnConfig(**{field: (3,)})

    @pytest.mark.parametrize("field", ["channels", "kernel_sizes", "strides"])
    def test_numbers_are_positive(self, field):
        with pytest.raises(ValueError, match=f"'{field}' must be > 0: 0"):
            CnnConfig(**{field: (3, 0)})

    def test_at_least_one_convolution(self):
        with pytest.raises(ValueError, match="Length of 'channels' must be >= 1: 0"):
            CnnConfig(channels=(), kernel_sizes=(), strides=())

    def test_importing_it_leaves_torch_alone(self):
        code = "import sys, glulam_vision.configs as c; c.CnnConfig(); print('torch' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["False"]


class TestModule:
    """Oracle: torch itself, or the message."""

    def test_starts_orthogonal(self):
        convolution = cnn(3).convolutions[0]
        rows = convolution.weight.flatten(1)
        torch.testing.assert_close(rows @ rows.T, 2 * torch.eye(64), atol=1e-5, rtol=0)
        assert not convolution.bias.any()

    def test_another_size_is_refused(self):
        message = "Cnn was built for inputs of [2, 11, 11], got [2, 9, 11]"
        with pytest.raises(GlulamError, match=f"^{re.escape(message)}$"):
            cnn()(torch.zeros(1, 2, 9, 11))

    def test_rows_do_not_see_each_other(self):
        layer, x = cnn().double(), torch.randn(3, 2, 11, 11, dtype=torch.float64)
        torch.testing.assert_close(layer(x[1:2])[0], layer(x)[1])

    def test_gradients_reach_every_weight(self):
        layer = cnn()
        layer(torch.randn(2, 2, 11, 11)).sum().backward()
        assert all(parameter.grad.any() for parameter in layer.parameters())

    def test_compiles_whole(self):
        layer = cnn()
        compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
        for rows in (2, 3):
            x = torch.randn(rows, 2, 11, 11)
            torch.testing.assert_close(compiled(x), layer(x))

    def test_runs_alone_on_a_tensordict(self):
        layer = CnnConfig(in_channels=2, height=11, width=11, out_key="y").instantiate()
        td = layer(TensorDict({"box": torch.zeros(5, 2, 11, 11)}, batch_size=[5]))
        assert td["y"].shape == (5, 64)
