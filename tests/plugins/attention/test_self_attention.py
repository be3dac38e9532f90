"""Self-attention with a CLS token."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glulam import GlulamError
from glulam_attention.configs import SelfAttentionConfig
from tests.plugins.attention import oracle


@st.composite
def configs(draw):
    num_heads = draw(st.sampled_from([1, 2, 4]))
    return SelfAttentionConfig(
        in_dim=num_heads * draw(st.integers(1, 4)),
        num_layers=draw(st.integers(1, 3)),
        num_heads=num_heads,
        out_dim=draw(st.integers(1, 9)),
    )


masks = st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=3).map(torch.tensor)


def drawn(config, mask):
    torch.manual_seed(0)
    return oracle.randomise(config.build()), torch.randn(*mask.shape, config.in_dim, dtype=torch.float64)


class TestLaws:
    """Oracle: `oracle.self_attention`, in which every row asks in every layer, in numpy."""

    @settings(deadline=None, max_examples=50)
    @given(configs(), masks)
    def test_cls_reads_what_is_real(self, config, mask):
        layer, x = drawn(config, mask)
        out = layer(x, mask).detach().numpy()
        for row in range(len(mask)):
            real = x[row][mask[row]].numpy()
            wanted = oracle.self_attention(layer, real, config.num_layers, config.num_heads)
            np.testing.assert_allclose(out[row], wanted, atol=1e-9, rtol=1e-9)

    @settings(deadline=None, max_examples=20)
    @given(configs(), masks)
    def test_without_a_mask_all_is_real(self, config, mask):
        layer, x = drawn(config, mask)
        torch.testing.assert_close(layer(x), layer(x, torch.ones_like(mask)))

    @settings(deadline=None, max_examples=20)
    @given(configs(), masks)
    def test_what_is_masked_gets_no_gradient_and_all_gradients_are_finite(self, config, mask):
        layer, x = drawn(config, mask)
        x.requires_grad_()
        layer(x, mask).square().sum().backward()
        assert not x.grad[~mask].any()
        assert all(torch.isfinite(parameter.grad).all() for parameter in layer.parameters())

    @settings(deadline=None, max_examples=15)
    @given(configs(), masks)
    def test_rows_do_not_see_each_other(self, config, mask):
        layer, x = drawn(config, mask)
        torch.testing.assert_close(layer(x[:1], mask[:1]), layer(x, mask)[:1])


class TestVectors:
    """Oracle: what the original made of its latents."""

    @pytest.mark.parametrize(
        ("policy", "sizes"),
        [("latent_attn_small", (32, 2, 4)), ("latent_attn_med", (32, 3, 8)), ("vit_lstm", (48, 4, 8))],
    )
    def test_equals_the_original(self, policy, sizes, vectors):
        in_dim, num_layers, num_heads = sizes
        arrays, state = vectors(policy)
        layer = SelfAttentionConfig(in_dim=in_dim, num_layers=num_layers, num_heads=num_heads).build()
        layer.load_state_dict(state["self"])
        torch.testing.assert_close(layer(arrays["out/latents"]), arrays["out/encoded"], rtol=0, atol=1e-5)


class TestConfig:
    """Oracle: the message."""

    def test_heads_divide_the_width(self):
        assert SelfAttentionConfig(num_heads=3).in_dim is None  # nothing to divide yet
        with pytest.raises(ValueError, match="^in_dim 32 is not divisible by num_heads 3$"):
            SelfAttentionConfig(in_dim=32, num_heads=3)

    @pytest.mark.parametrize("field", ["num_layers", "num_heads", "out_dim"])
    def test_sizes_are_positive(self, field):
        with pytest.raises(ValueError, match=f"'{field}' must be > 0: 0"):
            SelfAttentionConfig(in_dim=32, **{field: 0})

    def test_an_unknown_width(self):
        message = "^self_attention: in_dim is not known; set it, or resolve the policy$"
        with pytest.raises(GlulamError, match=message):
            SelfAttentionConfig().build()

    def test_no_mask_is_read_unless_one_is_named(self):
        assert SelfAttentionConfig().in_keys == ["latents"]
        assert SelfAttentionConfig(mask_key="token_mask").in_keys == ["latents", "token_mask"]


class TestModule:
    """Oracle: torch itself."""

    def test_compiles_whole(self):
        layer = SelfAttentionConfig(in_dim=8, num_layers=2).build()
        compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
        x = torch.randn(3, 5, 8)
        torch.testing.assert_close(compiled(x), layer(x))
