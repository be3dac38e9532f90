"""Pooling a set."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensordict import TensorDict

from glulam import GlulamError, PolicyError
from glulam_attention.configs import AttentionPoolConfig, PoolMethod
from tests.plugins.attention import oracle

METHODS = get_args(PoolMethod)


@st.composite
def configs(draw):
    num_heads = draw(st.sampled_from([1, 2, 4]))
    return AttentionPoolConfig(
        in_dim=num_heads * draw(st.integers(1, 4)),
        method=draw(st.sampled_from(METHODS)),
        num_heads=num_heads,
        out_dim=draw(st.integers(1, 9)),
    )


@st.composite
def masks(draw):
    """`[B, N]`: rows with holes, full and empty ones."""
    count = draw(st.integers(1, 6))
    row = st.lists(st.booleans(), min_size=count, max_size=count) | st.just([False] * count)
    return torch.tensor(draw(st.lists(row, min_size=1, max_size=3)))


def drawn(config, mask):
    torch.manual_seed(0)
    return oracle.randomise(config.build()), torch.randn(*mask.shape, config.in_dim, dtype=torch.float64)


class TestLaws:
    """Oracle: `oracle.pooled`, row by row over the real vectors alone, in numpy."""

    @settings(deadline=None, max_examples=80)
    @given(configs(), masks())
    def test_every_row_is_made_of_its_real_vectors(self, config, mask):
        layer, x = drawn(config, mask)
        out = layer(x, mask).detach().numpy()
        for row in range(len(mask)):
            wanted = oracle.pooled(layer, x[row][mask[row]].numpy(), config.method, config.num_heads)
            np.testing.assert_allclose(out[row], wanted, atol=1e-9, rtol=1e-9)

    @settings(deadline=None, max_examples=30)
    @given(configs(), masks())
    def test_without_a_mask_all_are_real(self, config, mask):
        layer, x = drawn(config, mask)
        torch.testing.assert_close(layer(x), layer(x, torch.ones_like(mask)))

    @settings(deadline=None, max_examples=40)
    @given(configs(), masks())
    def test_what_is_masked_has_no_say_and_all_gradients_are_finite(self, config, mask):
        layer, x = drawn(config, mask)
        x.requires_grad_()
        out = layer(x, mask)
        out.square().sum().backward()
        assert not x.grad[~mask].any()
        assert torch.isfinite(x.grad).all()
        assert all(torch.isfinite(parameter.grad).all() for parameter in layer.parameters())
        changed = x.detach().masked_fill(~mask[..., None], 1e3)
        torch.testing.assert_close(layer(changed, mask), out)

    @settings(deadline=None, max_examples=30)
    @given(configs(), masks(), st.randoms(use_true_random=False))
    def test_the_order_matters_to_first_alone_and_other_rows_to_none(self, config, mask, random):
        layer, x = drawn(config, mask)
        out = layer(x, mask)
        torch.testing.assert_close(layer(x[:1], mask[:1]), out[:1])
        if config.method != "first":
            order = list(range(mask.shape[1]))
            random.shuffle(order)
            torch.testing.assert_close(layer(x[:, order], mask[:, order]), out)


class TestValues:
    """Oracle: values worked out by hand."""

    @pytest.mark.parametrize(
        ("method", "mask", "pooled"),
        [
            ("mean", None, [2.0, 4.0]),
            ("mean", [True, False, True], [2.5, 5.0]),
            ("first", None, [1.0, 2.0]),
            ("first", [False, True, True], [1.0, 2.0]),
            ("first", [False, False, True], [4.0, 8.0]),
            ("mean", [False, False, False], [0.0, 0.0]),
            ("first", [False, False, False], [0.0, 0.0]),
            ("attention", [False, False, False], [0.0, 0.0]),
        ],
    )
    def test_what_is_pooled(self, method, mask, pooled):
        layer = AttentionPoolConfig(in_dim=2, method=method, num_heads=1).build()
        x = torch.tensor([[[1.0, 2.0], [1.0, 2.0], [4.0, 8.0]]])
        assert layer.pool(x, None if mask is None else torch.tensor([mask])).tolist() == [pooled]

    def test_the_first_of_several_distinct_vectors(self):
        layer = AttentionPoolConfig(in_dim=1, method="first", num_heads=1).build()
        x, mask = torch.arange(300.0).view(1, 300, 1), torch.arange(300)[None] >= 123
        assert layer.pool(x, mask).tolist() == [[123.0]]

    def test_attention_starts_close_to_the_mean_of_the_values(self):
        torch.manual_seed(0)
        pool = AttentionPoolConfig(in_dim=32).build().pool
        x = torch.randn(4, 10, 32)
        torch.testing.assert_close(pool(x, None), pool.value(pool.norm(x)).mean(1), atol=0.06, rtol=0)

    @pytest.mark.parametrize("method", METHODS)
    def test_the_output_depends_on_the_set_from_the_start(self, method):
        torch.manual_seed(0)
        out = AttentionPoolConfig(in_dim=8, method=method).build()(torch.randn(64, 3, 8))
        assert out.std(0).mean() > 0.3


class TestConfig:
    """Oracle: the message, or what the policy says of its keys."""

    def test_the_width_is_inferred(self, resolved):
        config, dims = resolved(AttentionPoolConfig(out_dim=3))
        assert (config.in_dim, dims) == (8, (3,))

    def test_sets_of_any_size_with_their_mask(self, resolved):
        config, dims = resolved(AttentionPoolConfig(in_key="tokens", mask_key="token_mask", num_heads=3))
        assert (config.in_dim, dims) == (6, (128,))

    def test_heads_divide_the_width_that_is_inferred(self, resolved):
        with pytest.raises(PolicyError, match="GL403 in_dim 6 is not divisible by num_heads 4"):
            resolved(AttentionPoolConfig(in_key="tokens"))

    @pytest.mark.parametrize("method", ["mean", "first"])
    def test_without_attention_there_is_nothing_to_divide(self, resolved, method):
        config, _ = resolved(AttentionPoolConfig(in_key="tokens", method=method))
        assert config.in_dim == 6
        assert [name for name, _ in config.build().named_parameters()] == [
            "norm.weight",
            "norm.bias",
            "out.weight",
            "out.bias",
        ]

    def test_an_unknown_method(self):
        with pytest.raises(ValueError, match="'method' must be in"):
            AttentionPoolConfig(method="max")

    @pytest.mark.parametrize("field", ["in_dim", "num_heads", "out_dim"])
    def test_sizes_are_positive(self, field):
        with pytest.raises(ValueError, match=f"'{field}' must be > 0: 0"):
            AttentionPoolConfig(**{field: 0})

    def test_an_unknown_width(self):
        message = "^attention_pool: in_dim is not known; set it, or resolve the policy$"
        with pytest.raises(GlulamError, match=message):
            AttentionPoolConfig().build()


class TestModule:
    """Oracle: torch itself."""

    @pytest.mark.parametrize("method", METHODS)
    def test_compiles_whole(self, method):
        layer = AttentionPoolConfig(in_dim=8, method=method).build()
        compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
        x, mask = torch.randn(3, 6, 8), torch.rand(3, 6) < 0.5
        torch.testing.assert_close(compiled(x, mask), layer(x, mask))

    def test_runs_alone_on_a_tensordict(self):
        layer = AttentionPoolConfig(in_dim=2, method="first", mask_key="mask").instantiate()
        x = torch.tensor([[[5.0, 1.0], [0.0, 3.0]]])
        td = layer(TensorDict({"latents": x, "mask": torch.tensor([[False, True]])}, batch_size=[1]))
        torch.testing.assert_close(td["encoded"], layer.module.out(layer.module.norm(x[:, 1])))
