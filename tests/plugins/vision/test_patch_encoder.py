"""Patches of a grid."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensordict import TensorDict

from glulam import GlulamError
from glulam_vision.configs import PatchEncoderConfig


def encoder(in_channels=2, height=7, width=5, **fields):
    return PatchEncoderConfig(in_channels=in_channels, height=height, width=width, **fields).build()


def shift(size, patch_size):
    """Rows or columns of zeros before the grid: half of what is missing, rounded down."""
    patches = 0
    while patches * patch_size < size:
        patches += 1
    return (patches * patch_size - size) // 2, patches


def by_hand(module, x, patch_size):
    """Every cell of one grid `[C, H, W]` adds its numbers to the patch that it lies in; in numpy."""
    weight, out = module.project.weight.detach().numpy(), module.positions.detach().numpy().copy()
    (top, _), (left, columns) = shift(x.shape[1], patch_size), shift(x.shape[2], patch_size)
    for c, row, column in np.ndindex(x.shape):
        (i, a), (j, b) = divmod(row + top, patch_size), divmod(column + left, patch_size)
        out[i * columns + j] += x[c, row, column] * weight[:, c, a, b]
    return out


class TestValues:
    """Oracle: `by_hand`, cell by cell."""

    @settings(deadline=None, max_examples=50)
    @given(
        channels=st.integers(1, 3),
        size=st.tuples(st.integers(1, 8), st.integers(1, 8)),
        patch_size=st.integers(1, 5),
        out_dim=st.integers(1, 4),
    )
    def test_each_cell_is_in_one_patch(self, channels, size, patch_size, out_dim):
        config = PatchEncoderConfig(
            in_channels=channels, height=size[0], width=size[1], patch_size=patch_size, out_dim=out_dim
        )
        torch.manual_seed(0)
        module = config.build().double()
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter)
        x = torch.randn(2, channels, *size, dtype=torch.float64)
        wanted = np.stack([by_hand(module, row, patch_size) for row in x.numpy()])
        for given_x in (x, x.contiguous(memory_format=torch.channels_last)):
            out = module(given_x)
            assert out.shape == (2, config.num_patches, out_dim)
            np.testing.assert_allclose(out.detach().numpy(), wanted, atol=1e-12)

    @pytest.mark.parametrize(
        ("patch_size", "patch", "cell"),
        [
            (1, 60, 0),
            (5, 4, 2),  # 2 rows and columns on each side
            (11, 0, 5),
            (3, 5, 2),  # one row and column behind
            (4, 4, 1),  # likewise
        ],
    )
    def test_where_an_agent_in_the_middle_of_11_x_11_stands(self, patch_size, patch, cell):
        module = encoder(1, 11, 11, patch_size=patch_size, out_dim=1)
        x = torch.zeros(1, 1, 11, 11)
        x[0, 0, 5, 5] = 1
        added = (module(x) - module.positions)[0, :, 0].detach()
        torch.testing.assert_close(added[patch], module.project.weight[0, 0, cell, cell].detach())
        assert added.count_nonzero() == 1


class TestConfig:
    """Oracle: values worked out by hand, or the message."""

    @pytest.mark.parametrize(
        ("height", "width", "patch_size", "patches"),
        [(11, 11, 3, 16), (12, 9, 3, 12), (7, 5, 1, 35), (7, 5, 4, 4), (3, 3, 5, 1)],
    )
    def test_sizes_are_inferred(self, resolved, height, width, patch_size, patches):
        config, dims = resolved(PatchEncoderConfig(patch_size=patch_size, out_dim=6), height, width)
        assert (config.in_channels, config.height, config.width) == (4, height, width)
        assert dims == (patches, 6)

    @pytest.mark.parametrize("field", ["in_channels", "height", "width", "patch_size", "out_dim"])
    def test_sizes_are_positive(self, field):
        with pytest.raises(ValueError, match=f"'{field}' must be > 0: 0"):
            PatchEncoderConfig(**{field: 0})

    def test_an_unknown_size(self):
        with pytest.raises(ValueError, match="^the height and width of the input are not known; set both"):
            _ = PatchEncoderConfig(height=3).num_patches
        message = "^patch_encoder: in_channels, height and width are not all known; set them, or resolve the policy$"
        with pytest.raises(GlulamError, match=message):
            PatchEncoderConfig(height=11, width=11).build()


class TestModule:
    """Oracle: torch itself, or the message."""

    def test_starts_orthogonal_with_small_positions(self):
        torch.manual_seed(0)
        module = encoder(3, 20, 20, out_dim=24)
        rows = module.project.weight.flatten(1)
        torch.testing.assert_close(rows @ rows.T, torch.eye(24), atol=1e-5, rtol=0)
        assert module.positions.std().item() == pytest.approx(0.02, rel=0.1)
        assert module.positions.shape == (49, 24)

    def test_another_size_is_refused(self):
        message = "PatchEncoder was built for inputs of [2, 7, 5], got [2, 5, 7]"
        with pytest.raises(GlulamError, match=f"^{re.escape(message)}$"):
            encoder()(torch.zeros(1, 2, 5, 7))

    def test_a_box_that_is_channels_last_stays_so(self):
        module, seen = encoder(), []
        module.project.register_forward_hook(lambda _, inputs, output: seen.extend((*inputs, output)))
        module(torch.randn(2, 2, 7, 5).contiguous(memory_format=torch.channels_last))
        seen.append(module.project.weight)
        assert [x.is_contiguous(memory_format=torch.channels_last) for x in seen] == [True, True, True]

    def test_gradients_reach_every_weight(self):
        module = encoder()
        module(torch.randn(2, 2, 7, 5)).sum().backward()
        assert all(parameter.grad.any() for parameter in module.parameters())

    def test_compiles_whole(self):
        module = encoder()
        compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
        for rows in (2, 3):
            x = torch.randn(rows, 2, 7, 5)
            torch.testing.assert_close(compiled(x), module(x))

    def test_runs_alone_on_a_tensordict(self):
        layer = PatchEncoderConfig(in_channels=2, height=4, width=4).instantiate()
        td = layer(TensorDict({"box": torch.zeros(5, 2, 4, 4)}, batch_size=[5]))
        torch.testing.assert_close(td["latents"], layer.module.positions.expand(5, -1, -1))
