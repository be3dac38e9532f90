"""Joining keys."""

import numpy as np
import pytest
import torch
from tensordict import TensorDict

from glulam import GlulamError, PolicyError
from glulam_basics.concat import Concat
from glulam_basics.configs import ConcatConfig, LinearConfig


class TestValues:
    """Oracle: numpy's concatenate."""

    @pytest.mark.parametrize("lead", [(3,), (3, 4)])
    def test_in_the_order_of_the_keys(self, lead):
        inputs = [torch.randn(*lead, width) for width in (2, 1, 3)]
        expected = np.concatenate([x.numpy() for x in inputs], axis=-1)
        assert np.array_equal(Concat((2, 1, 3))(*inputs).numpy(), expected)

    def test_alone_on_a_tensordict(self):
        layer = ConcatConfig(keys=["b", "a"], out_key="y", in_dims=(1, 2)).instantiate()
        td = TensorDict({"a": torch.zeros(3, 2), "b": torch.ones(3, 1)}, batch_size=[3])
        assert layer(td)["y"].tolist() == [[1, 0, 0]] * 3

    def test_another_width_than_declared(self):
        with pytest.raises(GlulamError, match=r"the inputs have widths \[2, 2\], expected \[2, 3\]"):
            Concat((2, 3))(torch.zeros(1, 2), torch.zeros(1, 2))


class TestConfig:
    def test_the_width_is_the_sum(self, complete):
        (config,), dims = complete(concat=ConcatConfig(keys=["narrow", "wide"], out_key="x", in_dims=(4, 6)))
        assert (config.out_dim, dims) == (10, (10,))

    def test_layers_before_and_after(self, complete):
        configs, dims = complete(
            linear=LinearConfig(in_key="tokens", out_key="embedded", out_dim=5),
            concat=ConcatConfig(keys=["tokens", "embedded"], out_key="x", in_dims=(3, 5)),
            last=LinearConfig(in_key="x", out_key="y", out_dim=2),
        )
        assert configs[-1].in_dim == 8
        assert dims == ("obs_shaper.N", 2)

    def test_widths_are_inferred(self, complete):
        (config,), dims = complete(concat=ConcatConfig(keys=["narrow", "wide"], out_key="x"))
        assert (config.in_dims, dims) == ((4, 6), (10,))

    def test_keys_whose_other_dims_differ_are_a_fault(self, complete):
        with pytest.raises(PolicyError, match="GL401 reads 'tokens' as"):
            complete(concat=ConcatConfig(keys=["narrow", "tokens"], out_key="x", in_dims=(4, 3)))

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"keys": ["a"]}, "keys names 1 of at least 2 keys"),
            ({"keys": ["a", "b"], "in_dims": (1, 2, 3)}, "in_dims holds 3 widths for 2 keys"),
            ({"keys": ["a", "b"], "in_dims": (1, 0)}, "must be > 0"),
        ],
    )
    def test_bad_fields(self, fields, message):
        with pytest.raises(ValueError, match=message):
            ConcatConfig(out_key="y", **fields)

    def test_unknown_widths_are_an_error(self):
        with pytest.raises(GlulamError, match="in_dims is not known; set it to the widths of keys, in order"):
            ConcatConfig(keys=["a", "b"], out_key="y").build()
