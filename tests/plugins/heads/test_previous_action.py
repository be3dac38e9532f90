"""The previous action and reward as one vector."""

import pytest
import torch
from tensordict import TensorDict

from glulam import GlulamError
from glulam_heads.configs import PreviousActionConfig
from glulam_heads.previous_action import PreviousAction

NEVER = torch.zeros(3, dtype=torch.bool)
REWARDS = torch.tensor([0.5, -2.0, 30.0])


@pytest.fixture
def layer():
    return PreviousAction(8, 3, reward_clip=10)


class TestKinds:
    """Oracle: the table's own rows, added up by hand."""

    def test_discrete(self, layer, world):
        layer.initialize_to_environment(world("noop move get"))
        layer.initialize_to_environment(world("get new noop"))
        vectors = layer(torch.tensor([0, 1, 2]), REWARDS, NEVER, NEVER)
        zeros = torch.zeros(3)
        assert torch.equal(vectors[:, :3], torch.stack([layer.weight[2], zeros, layer.weight[0]]))
        assert vectors[:, 3].tolist() == [0.5, -2, 10]
        assert layer.name_report().masked == ("new",)
        assert layer.learn_names(world("get new noop")) == ("new",)
        layer.initialize_to_environment(world("get new noop"))
        assert torch.equal(layer(torch.tensor([1] * 3), REWARDS, NEVER, NEVER)[0, :3], layer.weight[3])

    def test_several_choices(self, layer, world):
        layer.initialize_to_environment(world("m:n m:s a:use a:drop", choices=(2, 2)))
        layer.initialize_to_environment(world("a:throw a:drop m:n m:e m:s", choices=(2, 3)))
        vectors = layer(torch.tensor([[1, 0], [0, 2], [0, 1]]), REWARDS, NEVER, NEVER)
        row = layer.weight
        expected = torch.stack([row[3] + row[0], row[1], torch.zeros(3)])
        torch.testing.assert_close(vectors[:, :3], expected)

    def test_numbers_in_units_of_their_ranges(self, layer, world):
        layer.initialize_to_environment(world("steer gas", low=[-1, 0], high=[1, 10]))
        layer.initialize_to_environment(world("gas new steer", low=[0, 0, -1], high=[10, 1, 1]))
        actions = torch.tensor([[10.0, 7, 0], [5, 7, -1], [0, 7, 0.5]])
        vectors = layer(actions, REWARDS, NEVER, NEVER)
        steer, gas = layer.weight[:2]
        torch.testing.assert_close(vectors[:, :3], torch.stack([gas, -steer, 0.5 * steer - gas]))

    def test_there_and_back_again(self, layer, world):
        kinds = [world("a b", choices=(1, 1)), world("b c d", choices=(2, 1)), world("a b", choices=(1, 1))]
        found = []
        for env in kinds:
            layer.initialize_to_environment(env)
            found.append(layer(torch.zeros(3, 2).long(), None, NEVER, NEVER))
        assert torch.equal(found[0], found[2])
        assert not torch.equal(found[0], found[1])


class TestFirstSteps:
    @pytest.mark.parametrize("ended", ["dones", "truncateds"])
    def test_all_is_zeros_whatever_the_world_says(self, layer, world, ended):
        layer.initialize_to_environment(world("a b"))
        flags = {"dones": NEVER, "truncateds": NEVER, ended: torch.tensor([True, False, True])}
        actions, rewards = torch.tensor([-1, 1, 99]), torch.tensor([torch.nan, 1.0, 5.0])
        vectors = layer(actions, rewards, *flags.values())
        assert not vectors[[0, 2]].any()
        assert torch.equal(vectors[1], torch.cat([layer.weight[1], torch.ones(1)]))

    def test_numbers_that_are_none(self, layer, world):
        layer.initialize_to_environment(world("gas", low=[2], high=[4]))
        actions = torch.tensor([[torch.nan], [4.0], [torch.inf]])
        vectors = layer(actions, None, torch.tensor([True, False, True]), NEVER)
        assert not vectors[[0, 2]].any()
        torch.testing.assert_close(vectors[1], layer.weight[0])
        vectors.sum().backward()
        assert layer.weight.grad[0].tolist() == [1, 1, 1]


class TestConfig:
    """The layer on a TensorDict, without a policy around it."""

    @pytest.mark.parametrize("reward_key", ["last_rewards", None])
    def test_the_vector_is_as_wide_as_it_says(self, world, reward_key):
        config = PreviousActionConfig(embed_dim=5, max_actions=4, init_scale=0.5, reward_clip=1, reward_key=reward_key)
        layer = config.instantiate()
        layer.module.initialize_to_environment(world("a b"))
        data = {"last_actions": torch.tensor([0, 1, 1]), "last_rewards": REWARDS, "dones": NEVER, "truncateds": NEVER}
        vectors = layer(TensorDict(data, batch_size=[3]))["previous"]
        assert config.out_dim == (5 if reward_key is None else 6)
        rewards = [] if reward_key is None else [torch.tensor([[0.5], [-1], [1]])]
        expected = torch.cat([layer.module.weight[[0, 1, 1]], *rewards], -1)
        assert torch.equal(vectors, expected)
        assert layer.module.weight.abs().max().item() == pytest.approx(0.5)
        assert layer.module.rows.limit == 4

    def test_the_policys_dtype(self, layer, world):
        layer.initialize_to_environment(world("gas", low=[0], high=[2]))
        vectors = layer.double()(torch.tensor([[2.0]] * 3), REWARDS, NEVER, NEVER)
        torch.testing.assert_close(vectors[0], torch.cat([layer.weight[0], torch.tensor([0.5]).double()]))


class TestErrors:
    def test_no_world(self, layer):
        with pytest.raises(GlulamError, match="the actions are not known yet"):
            layer(torch.zeros(3).long(), None, NEVER, NEVER)

    def test_actions_of_another_kind(self, layer, world):
        layer.initialize_to_environment(world("a b c", choices=(2, 1)))
        with pytest.raises(GlulamError, match=r"an action has the dims \[\], but the environment's have \[2\]"):
            layer(torch.zeros(3).long(), None, NEVER, NEVER)
