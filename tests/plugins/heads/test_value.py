"""The value head."""

import pytest
import torch

from glulam import GlulamError
from glulam_heads.configs import ValueHeadConfig
from glulam_heads.value import ValueHead

WEIGHTS = {
    "hidden.weight": "critic.0.weight",
    "hidden.bias": "critic.0.bias",
    "out.weight": "critic.2.weight",
    "out.bias": "critic.2.bias",
}


class TestReferenceVectors:
    """Oracle: figures of the original's own code."""

    @pytest.mark.parametrize(
        ("policy", "activation"), [("fast", "tanh"), ("latent_attn_tiny", "tanh"), ("vit_lstm", "relu")]
    )
    def test_values(self, vectors, policy, activation):
        arrays = vectors(policy)
        head = ValueHead(128, 1024, activation)
        head.load_state_dict({ours: arrays[f"w/{theirs}"] for ours, theirs in WEIGHTS.items()})
        values = head(arrays["out/core"])
        assert values.shape == (8,)
        torch.testing.assert_close(values, arrays["out/values"], atol=1e-5, rtol=0)


class TestConfig:
    def test_the_width_must_be_known(self):
        with pytest.raises(GlulamError, match="in_dim is not known"):
            ValueHeadConfig().build()

    def test_an_activation_that_is_not_offered(self):
        with pytest.raises(ValueError, match="'activation' must be in"):
            ValueHeadConfig(activation="gelu")

    @pytest.mark.parametrize(("activation", "gain"), [("tanh", 1.0), ("relu", 2**0.5)])
    def test_weights_start_orthogonal_with_the_gain_of_their_activation(self, activation, gain):
        """Oracle: all singular values of an orthogonal matrix are its gain."""
        head = ValueHeadConfig(in_dim=6, hidden_size=4, activation=activation).build()
        for linear, expected in ((head.hidden, gain), (head.out, 1.0)):
            found = torch.linalg.svdvals(linear.weight)
            torch.testing.assert_close(found, torch.full_like(found, expected))
            assert not linear.bias.any()

    def test_values_start_small(self):
        torch.manual_seed(0)
        for activation in ("tanh", "relu"):
            values = ValueHeadConfig(in_dim=128, activation=activation).build()(torch.randn(256, 128))
            assert 0.1 < values.std() < 3
