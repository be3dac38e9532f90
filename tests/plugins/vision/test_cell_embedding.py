"""Embedded cells of a grid."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensordict import TensorDict

from glulam import GlulamError
from glulam_vision.configs import CellEmbeddingConfig


def embedding(in_channels=3, **fields):
    torch.manual_seed(0)
    return CellEmbeddingConfig(in_channels=in_channels, **fields).build()


class TestValues:
    """Oracle: sums over channels, cell by cell in numpy."""

    @settings(deadline=None, max_examples=30)
    @given(st.tuples(*[st.integers(1, 4)] * 5))
    def test_a_cell_is_the_sum_of_its_channels_embeddings(self, sizes):
        B, C, H, W, D = sizes
        module = embedding(C, out_dim=D).double()
        table = module.weight.detach().numpy()
        x = torch.randn(B, C, H, W, dtype=torch.float64)
        wanted = np.zeros((B, D, H, W))
        for b, c, i, j in np.ndindex(x.shape):
            wanted[b, :, i, j] += x[b, c, i, j].item() * table[c]
        for given_x in (x, x.contiguous(memory_format=torch.channels_last)):
            np.testing.assert_allclose(module(given_x).detach().numpy(), wanted, atol=1e-12)

    def test_a_tag_becomes_its_embedding_and_an_empty_cell_stays_zero(self):
        module, x = embedding(), torch.zeros(1, 3, 2, 2)
        x[0, 1, 0, 1] = 1
        out = module(x)
        assert torch.equal(out[0, :, 0, 1], module.weight[1])
        assert out.count_nonzero() == 16

    def test_what_comes_out_is_channels_last(self):
        module, x = embedding(), torch.randn(2, 4, 5, 3).permute(0, 3, 1, 2)
        for given_x in (x, x.contiguous()):
            assert module(given_x).is_contiguous(memory_format=torch.channels_last)


class TestInit:
    """Oracle: statistics of many embeddings."""

    @pytest.mark.parametrize(("std", "expected"), [(None, 0.25), (1.0, 1.0), (0.02, 0.02)])
    def test_the_standard_deviation(self, std, expected):
        weight = embedding(2000, out_dim=16, embedding_std=std).weight
        assert weight.std().item() == pytest.approx(expected, rel=0.03)

    @pytest.mark.parametrize("out_dim", [4, 64])
    def test_embeddings_have_the_length_of_a_tag(self, out_dim):
        lengths = embedding(2000, out_dim=out_dim).weight.square().sum(1)
        assert lengths.mean().item() == pytest.approx(1, rel=0.05)

    def test_zero_starts_them_at_zero(self):
        assert not embedding(embedding_std=0.0).weight.any()


class TestConfig:
    """Oracle: the dims worked out by hand, or the message."""

    def test_channels_are_inferred_and_cells_kept(self, resolved):
        config, dims = resolved(CellEmbeddingConfig(out_dim=6), 7, 5)
        assert (config.in_channels, dims) == (4, (6, 7, 5))

    @pytest.mark.parametrize("field", ["in_channels", "out_dim"])
    def test_sizes_are_positive(self, field):
        with pytest.raises(ValueError, match=f"'{field}' must be > 0: 0"):
            CellEmbeddingConfig(**{field: 0})

    def test_a_negative_deviation(self):
        with pytest.raises(ValueError, match="'embedding_std' must be >= 0: -1"):
            CellEmbeddingConfig(embedding_std=-1.0)

    def test_unknown_channels(self):
        message = "^cell_embedding: in_channels is not known; set it, or resolve the policy$"
        with pytest.raises(GlulamError, match=message):
            CellEmbeddingConfig().build()


class TestModule:
    """Oracle: torch itself, or the message."""

    def test_other_channels_are_refused(self):
        with pytest.raises(GlulamError, match="^CellEmbedding was built for 3 channels, got 5$"):
            embedding()(torch.zeros(1, 5, 3, 3))

    def test_compiles_whole(self):
        module = embedding()
        compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
        for rows in (2, 3):
            x = torch.randn(rows, 3, 4, 5)
            torch.testing.assert_close(compiled(x), module(x))

    def test_runs_alone_on_a_tensordict(self):
        layer = CellEmbeddingConfig(in_channels=1, out_dim=2).instantiate()
        td = layer(TensorDict({"box": torch.full((1, 1, 1, 1), 3.0)}, batch_size=[1]))
        torch.testing.assert_close(td["cells"].flatten(), 3 * layer.module.weight[0])
