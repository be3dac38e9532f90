"""Adding keys."""

import numpy as np
import pytest
import torch
from tensordict import TensorDict

from glulam import GlulamError, PolicyError
from glulam_basics.add import Add
from glulam_basics.configs import AddConfig, LinearConfig


class TestValues:
    """Oracle: numpy's sum."""

    @pytest.mark.parametrize("count", [2, 3])
    def test_the_sum_leaves_its_inputs_alone(self, count):
        inputs = [torch.randn(3, 4) for _ in range(count)]
        copies = np.stack([x.numpy().copy() for x in inputs])
        torch.testing.assert_close(Add()(*inputs).numpy(), copies.sum(0))
        assert np.array_equal(np.stack([x.numpy() for x in inputs]), copies)

    def test_alone_on_a_tensordict(self):
        layer = AddConfig(keys=["a", "b"], out_key="y").instantiate()
        td = TensorDict({"a": torch.ones(3, 2), "b": torch.ones(3, 2)}, batch_size=[3])
        assert layer(td)["y"].tolist() == [[2, 2]] * 3

    def test_shapes_that_would_broadcast_are_an_error(self):
        with pytest.raises(GlulamError, match=r"shapes \[3, 4\] and \[3, 1\] differ"):
            Add()(torch.zeros(3, 4), torch.zeros(3, 1))


class TestConfig:
    def test_a_skip_around_a_layer(self, complete):
        _, dims = complete(
            linear=LinearConfig(in_key="tokens", out_key="x", out_dim=3),
            add=AddConfig(keys=["tokens", "x"], out_key="y"),
        )
        assert dims == ("obs_shaper.N", 3)

    def test_keys_of_two_widths_are_a_fault(self, complete):
        with pytest.raises(PolicyError, match="GL401 reads 'wide' as"):
            complete(add=AddConfig(keys=["narrow", "wide"], out_key="x"))

    def test_one_key_is_no_sum(self):
        with pytest.raises(ValueError, match="keys names 1 of at least 2 keys"):
            AddConfig(keys=["a"], out_key="y")
