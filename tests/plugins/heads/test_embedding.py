"""The action embedding."""

import pytest
import torch

from glulam import GlulamError
from glulam_heads.configs import ActionEmbeddingConfig
from glulam_heads.embedding import ActionEmbedding


class TestRows:
    """Oracle: the table's own rows, looked up by hand."""

    def test_rows_follow_the_names(self, world):
        embedding = ActionEmbedding(6, 3)
        embedding.initialize_to_environment(world("noop move get"))
        assert torch.equal(embedding(), embedding.weight[:3])
        embedding.initialize_to_environment(world("get put noop"))
        assert torch.equal(embedding(), embedding.weight[[2, 3, 0]] * torch.tensor([[1], [0], [1]]))
        assert embedding.name_report().masked == ("put",)
        assert embedding.learn_names(world("get put noop")) == ("put",)
        embedding.initialize_to_environment(world("get put noop"))
        assert torch.equal(embedding(), embedding.weight[[2, 3, 0]])
        embedding.initialize_to_environment(world("noop move get"))
        assert torch.equal(embedding(), embedding.weight[:3])

    def test_only_the_rows_in_use_are_learned(self, world):
        embedding = ActionEmbedding(6, 3)
        embedding.initialize_to_environment(world("noop move"))
        embedding.initialize_to_environment(world("put noop"))
        embedding().sum().backward()
        assert embedding.weight.grad.sum(1).tolist() == [3, 0, 0, 0, 0, 0]

    def test_a_checkpoint_in_a_reordered_world(self, world):
        trained = ActionEmbedding(6, 3)
        trained.initialize_to_environment(world("noop move get"))
        fresh = ActionEmbedding(6, 3)
        fresh.initialize_to_environment(world("get noop move"))
        fresh.load_state_dict(trained.state_dict())
        assert torch.equal(fresh(), trained()[[2, 0, 1]])

    def test_a_world_that_does_not_fit(self, world):
        with pytest.raises(GlulamError, match="3 action names do not fit .* raise max_actions"):
            ActionEmbedding(2, 4).initialize_to_environment(world("a b c"))

    def test_no_world(self):
        with pytest.raises(GlulamError, match="the actions are not known yet"):
            ActionEmbedding(2, 4)()


class TestInit:
    @pytest.mark.parametrize("scale", [1.0, 0.1])
    def test_the_table_is_orthogonal_and_its_largest_entry_is_the_scale(self, scale):
        weight = ActionEmbedding(100, 16, scale).weight.detach()
        assert weight.abs().max().item() == pytest.approx(scale)
        gram = weight.t() @ weight
        torch.testing.assert_close(gram, gram[0, 0] * torch.eye(16), atol=1e-5, rtol=0)

    def test_by_default_a_row_is_about_as_long_as_one(self):
        torch.manual_seed(0)
        weight = ActionEmbeddingConfig().build().weight
        assert weight.shape == (100, 16)
        assert 0.8 < weight.norm(dim=1).mean() < 1.5
