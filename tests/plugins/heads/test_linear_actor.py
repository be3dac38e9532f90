"""The linear actor."""

import pytest
import torch

from glulam import GlulamError
from glulam_heads.configs import LinearActorConfig
from glulam_heads.linear_actor import LinearActor


class TestLogits:
    """Oracle: one product an action, its row looked up by hand."""

    def test_rows_and_biases_follow_the_names(self, world):
        actor = LinearActor(4, max_actions=5)
        torch.nn.init.normal_(actor.bias)
        x = torch.randn(3, 4)
        actor.initialize_to_environment(world("noop move get"))
        assert actor.learn_names(world("get put noop")) == ("put",)
        for actions, rows in (("noop move get", [0, 1, 2]), ("get put noop", [2, 3, 0]), ("noop move get", [0, 1, 2])):
            actor.initialize_to_environment(world(actions))
            logits = actor(x)
            assert logits.shape == (3, len(rows))
            for column, row in enumerate(rows):
                torch.testing.assert_close(logits[:, column], x @ actor.weight[row] + actor.bias[row])

    def test_an_unknown_action_has_the_logit_zero_and_learns_nothing(self, world):
        actor, x = LinearActor(4, max_actions=3), torch.randn(3, 4)
        torch.nn.init.ones_(actor.bias)
        actor.initialize_to_environment(world("noop move"))
        actor.initialize_to_environment(world("get move"))
        logits = actor(x)
        assert not logits[:, 0].any()
        torch.testing.assert_close(logits[:, 1], x @ actor.weight[1] + 1)
        logits.sum().backward()
        assert actor.bias.grad.flatten().tolist() == [0, 3, 0]
        assert actor.name_report().masked == ("get",)

    def test_a_checkpoint_in_a_reordered_world(self, world):
        trained, fresh, x = LinearActor(4), LinearActor(4), torch.randn(3, 4)
        trained.initialize_to_environment(world("noop move get"))
        fresh.initialize_to_environment(world("move get noop"))
        fresh.load_state_dict(trained.state_dict())
        assert torch.equal(fresh(x), trained(x)[:, [1, 2, 0]])

    def test_gradient_reaches_the_rows_in_use(self, world):
        actor = LinearActor(4, max_actions=3)
        actor.initialize_to_environment(world("noop move"))
        actor(torch.ones(1, 4)).sum().backward()
        assert actor.weight.grad.tolist() == [[1] * 4, [1] * 4, [0] * 4]
        assert actor.bias.grad.flatten().tolist() == [1, 1, 0]

    def test_no_world_and_a_world_too_many(self, world):
        with pytest.raises(GlulamError, match="the actions are not known yet"):
            LinearActor(4)(torch.zeros(1, 4))
        with pytest.raises(GlulamError, match="2 action names do not fit into a table of 1 rows"):
            LinearActor(4, max_actions=1).initialize_to_environment(world("a b"))


class TestInit:
    def test_orthogonal_rows_and_no_bias(self):
        actor = LinearActorConfig(in_dim=128).build()
        torch.testing.assert_close(actor.weight @ actor.weight.t(), 1e-4 * torch.eye(100), atol=1e-8, rtol=0)
        assert not actor.bias.any()

    def test_the_width_must_be_known(self):
        with pytest.raises(GlulamError, match="in_dim is not known"):
            LinearActorConfig().build()
