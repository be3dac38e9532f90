"""The linear map."""

import pytest
import torch

from glulam import GlulamError, PolicyError
from glulam_basics.configs import LinearConfig
from glulam_basics.linear import Linear


class TestValues:
    """Oracle: the weights, multiplied by hand."""

    @pytest.mark.parametrize("lead", [(), (3,), (3, 4)])
    def test_over_the_last_dim(self, lead):
        linear = Linear(5, 2)
        torch.nn.init.normal_(linear.bias)
        x = torch.randn(*lead, 5)
        expected = torch.einsum("oi,...i->...o", linear.weight, x) + linear.bias
        torch.testing.assert_close(linear(x), expected)

    def test_without_a_bias(self):
        linear = LinearConfig(in_key="x", out_key="y", in_dim=5, out_dim=2, bias=False).build()
        assert [name for name, _ in linear.named_parameters()] == ["weight"]

    def test_alone_on_a_tensordict(self):
        from tensordict import TensorDict

        layer = LinearConfig(in_key="x", out_key="y", in_dim=5, out_dim=2).instantiate()
        td = layer(TensorDict({"x": torch.ones(3, 5)}, batch_size=[3]))
        torch.testing.assert_close(td["y"], layer.module.weight.sum(1).expand(3, 2))


class TestInit:
    @pytest.mark.parametrize("gain", [1.0, 0.01])
    def test_orthogonal_weights_and_no_bias(self, gain):
        linear = Linear(8, 5, init_gain=gain)
        torch.testing.assert_close(linear.weight @ linear.weight.t(), gain**2 * torch.eye(5), atol=1e-5 * gain, rtol=0)
        assert not linear.bias.any()


class TestWidths:
    def test_the_width_is_inferred_and_any_dims_before_it_are_kept(self, complete):
        configs, dims = complete(
            first=LinearConfig(in_key="tokens", out_key="x", out_dim=7),
            second=LinearConfig(in_key="x", out_key="y", out_dim=2),
        )
        assert [config.in_dim for config in configs] == [3, 7]
        assert dims == ("obs_shaper.N", 2)

    def test_a_width_that_is_not_the_keys_is_a_fault(self, complete):
        with pytest.raises(PolicyError, match=r"GL401 reads 'narrow' as \[\.\.\., 5\], but obs_shaper writes \[4\]"):
            complete(linear=LinearConfig(in_key="narrow", out_key="x", in_dim=5, out_dim=7))

    def test_an_unknown_width_is_an_error(self):
        with pytest.raises(GlulamError, match="in_dim is not known; set it, or let a policy infer it"):
            LinearConfig(in_key="x", out_key="y", out_dim=2).build()

    @pytest.mark.parametrize("field", ["in_dim", "out_dim"])
    def test_widths_are_positive(self, field):
        with pytest.raises(ValueError, match=f"'{field}' must be > 0"):
            LinearConfig(**({"in_key": "x", "out_key": "y", "in_dim": 1, "out_dim": 1} | {field: 0}))
