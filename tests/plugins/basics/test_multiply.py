"""Multiplying keys."""

import numpy as np
import pytest
import torch
from tensordict import TensorDict

from glulam import GlulamError, PolicyError
from glulam_basics.configs import ActivationConfig, MultiplyConfig
from glulam_basics.multiply import Multiply


class TestValues:
    """Oracle: numpy's product."""

    @pytest.mark.parametrize("count", [2, 3])
    def test_the_product_leaves_its_inputs_alone(self, count):
        inputs = [torch.randn(3, 5, 4) for _ in range(count)]
        copies = np.stack([x.numpy().copy() for x in inputs])
        torch.testing.assert_close(Multiply()(*inputs).numpy(), copies.prod(0))
        assert np.array_equal(np.stack([x.numpy() for x in inputs]), copies)

    def test_alone_on_a_tensordict(self):
        layer = MultiplyConfig(keys=["a", "b"], out_key="y").instantiate()
        td = TensorDict({"a": torch.full((3, 2), 2.0), "b": torch.full((3, 2), 5.0)}, batch_size=[3])
        assert layer(td)["y"].tolist() == [[10, 10]] * 3

    def test_shapes_that_would_broadcast_are_an_error(self):
        with pytest.raises(GlulamError, match=r"^multiply: shapes \[3, 4\] and \[3, 1\] differ$"):
            Multiply()(torch.zeros(3, 4), torch.zeros(3, 1))


class TestConfig:
    def test_a_gate_on_tokens(self, complete):
        _, dims = complete(
            gate=ActivationConfig(in_key="tokens", out_key="gate", function="sigmoid"),
            multiply=MultiplyConfig(keys=["tokens", "gate"], out_key="y"),
        )
        assert dims == ("obs_shaper.N", 3)

    def test_keys_of_two_widths_are_a_fault(self, complete):
        with pytest.raises(PolicyError, match=r"GL401 reads 'wide' as .*, but obs_shaper writes \[6\]"):
            complete(multiply=MultiplyConfig(keys=["narrow", "wide"], out_key="x"))

    def test_one_key_is_no_product(self):
        with pytest.raises(ValueError, match="^keys names 1 of at least 2 keys$"):
            MultiplyConfig(keys=["a"], out_key="y")
