"""Latent attention."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensordict import TensorDict

from glulam import GlulamError, Repeated
from glulam.repeated import Index
from glulam_attention._reading import Folded, Projected
from glulam_attention.configs import LatentAttentionConfig
from tests.plugins.attention import oracle


@st.composite
def configs(draw):
    """Few queries and many, so that both forms of the attention are drawn."""
    num_heads = draw(st.sampled_from([1, 2, 4]))
    return LatentAttentionConfig(
        in_dim=draw(st.integers(1, 9)),
        num_queries=draw(st.integers(1, 5)),
        hidden_size=num_heads * draw(st.integers(1, 4)),
        num_layers=draw(st.integers(1, 3)),
        num_heads=num_heads,
        out_dim=draw(st.integers(1, 9)),
    )


@st.composite
def masks(draw):
    """`[B, N]`: full rows, empty rows, holes."""
    count = draw(st.integers(1, 6))
    row = st.one_of(
        st.lists(st.booleans(), min_size=count, max_size=count), st.just([True] * count), st.just([False] * count)
    )
    return torch.tensor(draw(st.lists(row, min_size=1, max_size=3)))


def drawn(config, mask):
    torch.manual_seed(0)
    features = torch.randn(*mask.shape, config.in_dim, dtype=torch.float64)
    return oracle.randomise(config.build()), features


class TestLaws:
    """Oracle: `oracle.latent`, softmax over the real tokens alone, in numpy."""

    @settings(deadline=None, max_examples=60)
    @given(configs(), masks())
    def test_every_row_reads_its_real_tokens(self, config, mask):
        layer, features = drawn(config, mask)
        out = layer(features, mask).detach().numpy()
        for row in range(len(mask)):
            tokens = features[row][mask[row]].numpy()
            wanted = oracle.latent(layer, tokens, config.num_layers, config.num_heads)
            np.testing.assert_allclose(out[row], wanted, atol=1e-9, rtol=1e-9)

    @settings(deadline=None, max_examples=20)
    @given(configs(), masks())
    def test_without_a_mask_all_tokens_are_real(self, config, mask):
        layer, features = drawn(config, mask)
        torch.testing.assert_close(layer(features), layer(features, torch.ones_like(mask)))

    @settings(deadline=None, max_examples=25)
    @given(configs(), masks())
    def test_what_stands_in_padding_gets_no_gradient_and_all_gradients_are_finite(self, config, mask):
        layer, features = drawn(config, mask)
        features.requires_grad_()
        layer(features, mask).square().sum().backward()
        assert not features.grad[~mask].any()
        assert all(torch.isfinite(p.grad).all() for p in layer.parameters() if p.grad is not None)
        changed = features.detach().masked_fill(~mask[..., None], 1e3)
        torch.testing.assert_close(layer(changed, mask), layer(features, mask))

    @settings(deadline=None, max_examples=20)
    @given(configs(), masks(), st.randoms(use_true_random=False))
    def test_neither_other_rows_nor_the_order_of_tokens_matters(self, config, mask, random):
        layer, features = drawn(config, mask)
        out = layer(features, mask)
        order = list(range(mask.shape[1]))
        random.shuffle(order)
        torch.testing.assert_close(layer(features[:, order], mask[:, order]), out)
        torch.testing.assert_close(layer(features[:1], mask[:1]), out[:1])

    @pytest.mark.parametrize("num_queries", [1, 4])
    def test_both_forms_of_the_attention_agree(self, num_queries):
        config = LatentAttentionConfig(in_dim=5, num_queries=num_queries, hidden_size=8, num_heads=2)
        mask = torch.rand(6, 7) < 0.6
        layer, features = drawn(config, mask)
        layer.reading = Folded
        folded = layer(features, mask)
        layer.reading = Projected
        torch.testing.assert_close(layer(features, mask), folded)


class TestVectors:
    """Oracle: the latents that the original made of the reference features."""

    @pytest.mark.parametrize(
        ("policy", "sizes"),
        [
            ("latent_attn_tiny", (27, 1, 32, 2, 4, 128)),
            ("latent_attn_small", (41, 10, 32, 1, 4, 32)),
            ("latent_attn_med", (45, 10, 32, 3, 8, 32)),
            ("vit_lstm", (37, 10, 48, 2, 4, 48)),
        ],
    )
    @pytest.mark.parametrize("reading", [Projected, Folded])
    def test_equals_the_original(self, policy, sizes, reading, vectors):
        names = ("in_dim", "num_queries", "hidden_size", "num_layers", "num_heads", "out_dim")
        arrays, state = vectors(policy)
        layer = LatentAttentionConfig(**dict(zip(names, sizes, strict=True))).build()
        layer.load_state_dict(state["latent"])
        layer.reading = reading
        mask = arrays["in/tokens"][..., 0] != 255
        latents = layer(arrays["out/token_features"], mask)
        torch.testing.assert_close(latents, arrays["out/latents"], rtol=0, atol=1e-5)


class TestConfig:
    """Oracle: values worked out by hand, or the message."""

    def test_one_query_writes_a_vector_more_write_a_set(self):
        assert LatentAttentionConfig(num_queries=1).out_shape == "out_dim"
        assert LatentAttentionConfig(num_queries=2).out_shape == "num_queries out_dim"
        for num_queries, shape in ((1, (3, 7)), (2, (3, 2, 7))):
            layer = LatentAttentionConfig(in_dim=5, num_queries=num_queries, out_dim=7).build()
            assert layer(torch.zeros(3, 4, 5)).shape == shape

    def test_the_mask_may_be_left_out(self):
        assert LatentAttentionConfig().in_keys == ["token_features", "token_mask"]
        assert LatentAttentionConfig(mask_key=None).in_keys == ["token_features"]

    def test_heads_divide_the_width(self):
        with pytest.raises(ValueError, match="^hidden_size 30 is not divisible by num_heads 4$"):
            LatentAttentionConfig(hidden_size=30, num_heads=4)

    @pytest.mark.parametrize("field", ["num_queries", "hidden_size", "num_layers", "num_heads", "out_dim"])
    def test_sizes_are_positive(self, field):
        with pytest.raises(ValueError, match=f"'{field}' must be > 0: 0"):
            LatentAttentionConfig(**{field: 0})

    def test_an_unknown_width(self):
        message = "^latent_attention: in_dim is not known; set it, or resolve the policy$"
        with pytest.raises(GlulamError, match=message):
            LatentAttentionConfig().build()

    def test_importing_it_leaves_torch_alone(self):
        code = "import sys, glulam_attention.configs as c; c.LatentAttentionConfig(); print('torch' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["False"]


class TestModule:
    """Oracle: torch itself, or counts worked out by hand."""

    def test_the_reference_sizes_take_the_cheaper_form(self):
        tiny = LatentAttentionConfig(in_dim=27).build()
        med = LatentAttentionConfig(in_dim=45, num_queries=10, num_layers=3, num_heads=8).build()
        assert tiny.reading is Folded
        assert med.reading is Projected

    def test_another_output_width_has_a_linear_map_of_its_own(self):
        names = [name for name, _ in LatentAttentionConfig(in_dim=5, out_dim=32).build().named_parameters()]
        assert not any(re.match(r"out\.", name) for name in names)

    @pytest.mark.parametrize(("num_queries", "masked"), [(1, True), (10, False)])
    def test_compiles_whole(self, num_queries, masked):
        layer = LatentAttentionConfig(in_dim=5, num_queries=num_queries, num_layers=1).build()
        compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
        for rows, count in ((3, 6), (4, 5)):
            features = torch.randn(rows, count, 5)
            mask = torch.rand(rows, count) < 0.5 if masked else None
            torch.testing.assert_close(compiled(features, mask), layer(features, mask))

    def test_runs_alone_on_a_tensordict(self):
        layer = LatentAttentionConfig(in_dim=5).instantiate()
        td = TensorDict({"token_features": torch.randn(2, 3, 5)}, batch_size=[2])
        td["token_mask"] = torch.ones(2, 3, dtype=torch.bool)
        assert layer(td)["encoded"].shape == (2, 128)

    def test_the_output_depends_on_the_tokens_from_the_start(self):
        torch.manual_seed(0)
        layer = LatentAttentionConfig(in_dim=5).build()
        out = layer(torch.randn(64, 3, 5))
        assert out.std(0).mean() > 0.3


class TestRepeatedTokens:
    """Oracle: the same tokens, each written out."""

    @staticmethod
    def tokens(count, rows, distinct=5, width=6):
        """Return tokens and mask by distinct tokens, the first of which is none."""
        table = torch.randn(distinct, width, dtype=torch.float64)
        index = Index.of(torch.randint(distinct, (rows, count)), distinct)
        seen = torch.arange(len(index.first)) > 0
        return Repeated(table[: len(index.first)], index), Repeated(seen, index)

    @staticmethod
    def layer(**sizes):
        torch.manual_seed(1)
        layer = LatentAttentionConfig(in_dim=6, out_dim=3, hidden_size=8, num_heads=2, **sizes).build().double()
        with torch.no_grad():
            for weight in layer.parameters():
                weight.normal_()
        return layer

    @pytest.mark.parametrize("sizes", [{"num_queries": 1, "num_layers": 1}, {"num_queries": 4, "num_layers": 2}])
    @pytest.mark.parametrize("masked", [True, False])
    def test_equal_and_by_the_table(self, sizes, masked, monkeypatch):
        layer = self.layer(**sizes)
        features, mask = self.tokens(7, 30)
        calls, sums = [], Repeated.sums
        monkeypatch.setattr(Repeated, "sums", lambda rows: calls.append(1) or sums(rows))
        found = layer(features, mask if masked else None)
        wanted = layer(features.dense(), mask.dense() if masked else None)
        assert calls == [1]
        torch.testing.assert_close(found, wanted)
        weights = list(layer.parameters())
        torch.testing.assert_close(*(torch.autograd.grad(out.square().sum(), weights) for out in (found, wanted)))

    def test_rows_without_a_token(self):
        features, mask = self.tokens(7, 30)
        features.index.row[:4] = 0
        layer = self.layer(num_queries=2, num_layers=1)
        found = layer(features, mask)
        assert torch.isfinite(found).all()
        torch.testing.assert_close(found, layer(features.dense(), mask.dense()))
        found.sum().backward()
        assert all(torch.isfinite(weight.grad).all() for weight in layer.parameters())

    def test_only_padding(self):
        features, mask = self.tokens(7, 30, distinct=1)
        layer = self.layer(num_queries=2, num_layers=1)
        found = layer(features, mask)
        torch.testing.assert_close(found, layer(features.dense(), mask.dense()))
        found.sum().backward()
        assert all(torch.isfinite(weight.grad).all() for weight in layer.parameters())

    def test_scores_that_lie_too_far_apart_go_the_other_way(self, monkeypatch):
        features, mask = self.tokens(7, 30)
        layer = self.layer(num_queries=2, num_layers=1)
        with torch.no_grad():
            layer.key.weight.mul_(1e3)
        monkeypatch.setattr(Repeated, "sums", None)
        torch.testing.assert_close(layer(features, mask), layer(features.dense(), mask.dense()))

    def test_a_mask_of_its_own_goes_the_other_way(self, monkeypatch):
        features, _ = self.tokens(7, 30)
        mask = torch.rand(30, 7) < 0.7
        layer = self.layer(num_queries=2, num_layers=1)
        monkeypatch.setattr(Repeated, "sums", None)
        torch.testing.assert_close(layer(features, mask), layer(features.dense(), mask))
