"""Attention over small sets with the batch last, against torch's own attention and against finite differences."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch.func import vmap
from torch.nn.functional import scaled_dot_product_attention

from glulam_attention import _small_set
from glulam_attention._small_set import attend_small_sets, pays
from glulam_attention.self_attention import SelfAttention


def kernel(projected, seen, num_heads, count):
    query, key, value = (
        part.unflatten(-1, (num_heads, -1)).transpose(1, 2) for part in projected.chunk(3, -1)
    )  # (B, H, N, K)
    mask = None if seen is None else seen[:, None, None]
    return scaled_dot_product_attention(query[:, :, :count], key, value, attn_mask=mask).transpose(1, 2).flatten(2)


@st.composite
def cases(draw):
    rows, size, heads, width = (draw(st.integers(1, limit)) for limit in (5, 4, 3, 3))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    projected = torch.randn(rows, size, 3 * heads * width, generator=generator, dtype=torch.float64)
    seen = torch.rand(rows, size, generator=generator) < 0.6 if draw(st.booleans()) else None
    if seen is not None:
        seen[:, draw(st.integers(0, size - 1))] = True
    return projected, seen, heads, draw(st.integers(1, size))


class TestValues:
    @settings(deadline=None)
    @given(cases(), st.integers(1, 3))
    def test_it_is_attention_however_the_rows_are_parted(self, case, chunk):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_small_set, "CHUNK", chunk)
            torch.testing.assert_close(attend_small_sets(*case), kernel(*case), rtol=1e-10, atol=1e-10)

    @settings(deadline=None, max_examples=20)
    @given(cases())
    def test_its_gradient_is_that_of_finite_differences(self, case):
        projected, *rest = case
        assert torch.autograd.gradcheck(lambda x: attend_small_sets(x, *rest), projected.requires_grad_())

    @settings(deadline=None, max_examples=20)
    @given(cases())
    def test_its_gradient_is_the_kernel_s(self, case):
        projected, *rest = case
        projected.requires_grad_()
        weights = torch.randn(projected.shape[0], rest[2], projected.shape[2] // 3, dtype=torch.float64)
        found, wanted = (
            torch.autograd.grad((attend(projected, *rest) * weights).sum(), projected)[0]
            for attend in (attend_small_sets, kernel)
        )
        torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)

    def test_control_a_lost_mask_is_noticed(self):
        projected = torch.randn(2, 3, 12, dtype=torch.float64)
        seen = torch.tensor([[True, False, True]] * 2)
        assert not torch.allclose(attend_small_sets(projected, None, 2, 3), kernel(projected, seen, 2, 3))

    @pytest.mark.filterwarnings("ignore:There is a performance drop")  # torch maps addcmul_ with a loop
    def test_it_may_be_mapped_over(self):
        projected = torch.randn(4, 5, 3, 12, dtype=torch.float64)
        found = vmap(lambda part: attend_small_sets(part, None, 2, 3))(projected)
        torch.testing.assert_close(found, torch.stack([kernel(part, None, 2, 3) for part in projected]))


class TestWhenItPays:
    @pytest.mark.parametrize(
        ("x", "so"),
        [
            (torch.zeros(64, 11, 8), True),
            (torch.zeros(64, 11, 8, dtype=torch.float64), True),
            (torch.zeros(63, 11, 8), False),
            (torch.zeros(64, 17, 8), False),
            (torch.zeros(64, 11, 8, dtype=torch.bfloat16), False),
            (torch.zeros(64, 11, 8, device="meta"), False),
        ],
    )
    def test_many_small_sets_of_plain_floats_on_a_cpu(self, x, so):
        assert pays(x) is so

    def test_not_under_autocast(self):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert not pays(torch.zeros(64, 11, 8))


class TestLayer:
    """Oracle: the layer on rows few enough for the kernel."""

    @pytest.mark.parametrize("masked", [False, True])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_many_rows_are_as_few(self, masked, dtype):
        torch.manual_seed(0)
        layer = SelfAttention(8, 5, num_layers=3, num_heads=2).to(dtype)
        x = torch.randn(700, 4, 8, dtype=dtype)
        mask = torch.rand(700, 4) < 0.5 if masked else None  # some rows see nothing but CLS
        found = layer(x, mask)
        pairs = [(x[n : n + 50], None if mask is None else mask[n : n + 50]) for n in range(0, 700, 50)]
        tolerance = 1e-5 if dtype == torch.float32 else 1e-12
        torch.testing.assert_close(found, torch.cat([layer(*pair) for pair in pairs]), rtol=tolerance, atol=tolerance)
