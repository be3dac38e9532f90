"""Residual blocks."""

from math import erf

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glulam import GlulamError
from glulam_basics.configs import LinearConfig, ResidualMlpConfig
from glulam_basics.residual_mlp import ResidualMlp

ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "gelu": lambda x: x * 0.5 * (1 + np.vectorize(erf)(x / np.sqrt(2))),
}


def config(**fields):
    return ResidualMlpConfig(**({"in_key": "x", "out_key": "y", "in_dim": 4} | fields))


def randomised(module):
    """Make every parameter matter, the ones that start at 0 or 1 among them."""
    torch.manual_seed(0)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    return module.double()


def by_hand(module, x, name):
    """One vector `[D]` through all blocks, in numpy."""
    w = {key: value.detach().numpy() for key, value in module.named_parameters()}
    for number in range(len(module.blocks)):
        scale, shift, w1, b1, w2, b2 = (
            w[f"blocks.{number}.{at}.{kind}"] for at in "013" for kind in ("weight", "bias")
        )
        normed = (x - x.mean()) / np.sqrt(((x - x.mean()) ** 2).mean() + 1e-5) * scale + shift
        x = x + w2 @ ACTIVATIONS[name](w1 @ normed + b1) + b2
    return w["out.weight"] @ x + w["out.bias"] if "out.weight" in w else x


class TestValues:
    """Oracle: `by_hand`, vector by vector."""

    @settings(deadline=None, max_examples=40)
    @given(
        widths=st.tuples(st.integers(1, 5), st.integers(1, 7), st.one_of(st.none(), st.integers(1, 6))),
        num_blocks=st.integers(1, 3),
        name=st.sampled_from(sorted(ACTIVATIONS)),
        lead=st.sampled_from([(), (3,), (2, 3)]),
    )
    def test_each_vector_by_itself(self, widths, num_blocks, name, lead):
        in_dim, hidden_size, out_dim = widths
        module = randomised(ResidualMlp(in_dim, hidden_size, name, num_blocks=num_blocks, out_dim=out_dim))
        x = torch.randn(*lead, in_dim, dtype=torch.float64)
        out = module(x)
        assert out.shape == (*lead, in_dim if out_dim is None else out_dim)
        for place in np.ndindex(*lead):
            np.testing.assert_allclose(out[place].detach().numpy(), by_hand(module, x[place].numpy(), name), atol=1e-9)

    def test_blocks_without_a_last_map_add_to_their_input(self):
        module, x = config().build(), torch.randn(3, 4)
        for block in module.blocks:
            torch.nn.init.zeros_(block[3].weight)
        assert torch.equal(module(x), x)

    def test_the_input_is_left_alone(self):
        x = torch.randn(3, 4)
        copy = x.clone()
        config().build()(x)
        assert torch.equal(x, copy)

    def test_compiles_whole(self):
        module = config(out_dim=2).build()
        compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
        x = torch.randn(2, 5, 4)
        torch.testing.assert_close(compiled(x), module(x))


class TestInit:
    """Oracle: products of the weights, and statistics of what comes out."""

    def test_weights_are_orthogonal_and_biases_zero(self):
        module = config(num_blocks=4, hidden_size=8, out_dim=3).build()
        block = module.blocks[2]
        torch.testing.assert_close(block[1].weight.T @ block[1].weight, 2 * torch.eye(4), atol=1e-5, rtol=0)
        torch.testing.assert_close(block[3].weight @ block[3].weight.T, torch.eye(4) / 4, atol=1e-5, rtol=0)
        torch.testing.assert_close(module.out.weight @ module.out.weight.T, torch.eye(3), atol=1e-5, rtol=0)
        assert not any(value.any() for name, value in module.named_parameters() if "bias" in name and ".0." not in name)

    def test_many_blocks_add_as_much_as_one(self):
        torch.manual_seed(0)
        x = torch.randn(2000, 64)
        for num_blocks in (1, 16):
            module = config(in_dim=64, hidden_size=64, num_blocks=num_blocks).build()
            assert (module(x) - x).square().mean().item() == pytest.approx(1, abs=0.35)


class TestConfig:
    """Oracle: values worked out by hand, or the message."""

    @pytest.mark.parametrize(("out_dim", "width"), [(None, 3), (7, 7)])
    def test_the_width_is_inferred_and_any_dims_before_it_are_kept(self, complete, out_dim, width):
        configs, dims = complete(
            blocks=ResidualMlpConfig(in_key="tokens", out_key="x", out_dim=out_dim),
            last=LinearConfig(in_key="x", out_key="y", out_dim=2),
        )
        assert [found.in_dim for found in configs] == [3, width]
        assert dims == ("obs_shaper.N", 2)

    def test_no_last_map_unless_a_width_is_asked_for(self):
        for out_dim, count in ((None, 6), (4, 8)):
            assert len(list(config(num_blocks=1, out_dim=out_dim).build().parameters())) == count

    @pytest.mark.parametrize(
        ("field", "value", "message"),
        [
            ("in_dim", 0, "'in_dim' must be > 0"),
            ("num_blocks", 0, "'num_blocks' must be > 0"),
            ("hidden_size", 0, "'hidden_size' must be > 0"),
            ("out_dim", 0, "'out_dim' must be > 0"),
            ("activation", "softplus", "'activation' must be in"),
        ],
    )
    def test_bad_fields(self, field, value, message):
        with pytest.raises(ValueError, match=message):
            config(**{field: value})

    def test_an_unknown_width(self):
        with pytest.raises(GlulamError, match="^in_dim is not known; set it, or let a policy infer it$"):
            config(in_dim=None).build()
