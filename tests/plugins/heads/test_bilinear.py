"""The bilinear actor."""

import pytest
import torch

from glulam import GlulamError
from glulam_heads.bilinear import BilinearActor
from glulam_heads.configs import BilinearActorConfig


class TestReferenceVectors:
    """Oracle: figures of the original's own code."""

    @pytest.mark.parametrize("policy", ["fast", "latent_attn_tiny"])
    def test_with_a_hidden_layer(self, vectors, policy):
        arrays = vectors(policy)
        actor = BilinearActor(128, 16)
        weights = {"hidden.weight": "actor.0.weight", "hidden.bias": "actor.0.bias", "query": "actor_query.W"}
        given = {ours: arrays[f"w/{theirs}"] for ours, theirs in weights.items()}
        actor.load_state_dict(actor.state_dict() | given)
        logits = actor(arrays["out/core"], arrays["w/action_embedding"][:24])
        torch.testing.assert_close(logits, arrays["out/logits"], atol=1e-5, rtol=0)

    def test_without_one(self, vectors):
        arrays = vectors("vit_lstm")
        actor = BilinearActor(128, 16, hidden_size=None)
        actor.load_state_dict(actor.state_dict() | {"query": arrays["w/actor_query.W"]})
        logits = actor(arrays["out/core"], arrays["w/action_embedding"][:24])
        torch.testing.assert_close(logits, arrays["out/logits"], atol=1e-5, rtol=0)
        query = torch.tanh(arrays["out/core"] @ actor.query)
        torch.testing.assert_close(query, arrays["out/actor_query"], atol=1e-5, rtol=0)


class TestLogits:
    """Oracle: one product an action."""

    def test_each_logit_is_the_query_times_that_actions_row(self):
        actor = BilinearActor(5, 3, hidden_size=4)
        x, embedding = torch.randn(2, 5), torch.randn(6, 3)
        logits = actor(x, embedding)
        for b in range(2):
            hidden = (actor.hidden.weight @ x[b] + actor.hidden.bias).clamp_min(0)
            query = (hidden @ actor.query).tanh()
            for a in range(6):
                torch.testing.assert_close(logits[b, a], query @ embedding[a])

    def test_any_number_of_actions(self):
        actor = BilinearActor(5, 3)
        x, embedding = torch.randn(2, 5), torch.randn(9, 3)
        torch.testing.assert_close(actor(x, embedding[:4]), actor(x, embedding)[:, :4])

    def test_embeddings_of_another_width(self):
        with pytest.raises(GlulamError, match="embeddings of width 4, expected 3"):
            BilinearActor(5, 3)(torch.randn(2, 5), torch.randn(6, 4))


class TestInit:
    def test_the_first_policy_is_close_to_uniform_and_not_stuck_there(self):
        torch.manual_seed(0)
        actor = BilinearActor(128, 16)
        rows = torch.nn.init.orthogonal_(torch.empty(100, 16))[:24]
        core = torch.randn(256, 128)  # as large as a normalised core gets
        probs = actor(core, rows / rows.abs().max()).softmax(-1)
        entropy = -(probs * probs.log()).sum(-1).mean()
        assert 0.9 < entropy / torch.tensor(24.0).log() < 1
        assert probs.std() > 1e-3

    def test_the_hidden_layer_starts_with_the_gain_of_its_relu(self):
        hidden = BilinearActorConfig(in_dim=8, embed_dim=4, hidden_size=32).build().hidden
        found = torch.linalg.svdvals(hidden.weight)
        torch.testing.assert_close(found, torch.full_like(found, 2**0.5))
        assert not hidden.bias.any()

    def test_init_gain_scales_the_query(self):
        query = BilinearActorConfig(in_dim=8, embed_dim=4, hidden_size=32, init_gain=0.5).build().query
        torch.testing.assert_close(query.t() @ query, 0.25 * torch.eye(4), atol=1e-6, rtol=0)


class TestConfig:
    def test_widths_must_be_known(self):
        with pytest.raises(GlulamError, match="embed_dim is not known; set it, or let a policy infer it"):
            BilinearActorConfig(in_dim=3).build()

    def test_null_leaves_the_hidden_layer_out(self):
        assert BilinearActorConfig(in_dim=3, embed_dim=2, hidden_size=None).build().hidden is None
