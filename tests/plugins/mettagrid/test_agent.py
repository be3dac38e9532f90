"""Our agent in mettagrid's own runner: what it does there is what the policy does in our environments."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch

import glulam
from glulam import GlulamError
from glulam_train.evaluation import evaluate_policy

if find_spec("mettagrid") is None:
    pytest.skip("mettagrid has no wheel for this machine", allow_module_level=True)

from mettagrid.policy.policy_env_interface import PolicyEnvInterface
from mettagrid.simulator.interface import AgentObservation, ObservationToken
from mettagrid.simulator.rollout import Rollout

from glulam_mettagrid.agent import GlulamPolicy
from glulam_mettagrid.spec import interface_spec
from glulam_mettagrid.tasks import build_task
from glulam_mettagrid.vector import episode_seed

AGENTS = 4


def policy_of(name="latent_attn_tiny", env="mettagrid:forage"):
    """A policy whose likeliest action, with these weights, is not always the same."""
    torch.manual_seed(1)
    return glulam.build(name, glulam.environment_spec(env))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("agent") / "policy.safetensors"
    glulam.save(policy_of(), path)
    return path


@pytest.fixture(scope="module")
def interface():
    return PolicyEnvInterface.from_mg_cfg(build_task("forage").config)


@pytest.fixture
def made(checkpoint, interface):
    """Return a function: options to the agents of the checkpoint."""

    def make(**options):
        policy = GlulamPolicy(interface, **options)
        policy.load_policy_data(str(checkpoint))
        return policy

    return make


def episode_config(seed, world=0):
    """Return the config of the first episode of a world of `glulam eval --seed`, and the seed to run it with."""
    task = build_task("forage")
    number = episode_seed(2 * seed + 1, world, 0)
    game = task.config.game.model_copy(update={"map_builder": task.map_for_seed(number)})
    return task.config.model_copy(update={"game": game}), number


def rollout(policy, seed=0, world=0, *, grouped=True):
    config, number = episode_config(seed, world)
    agents = [policy.agent_policy(agent) for agent in range(AGENTS)]
    return Rollout(config, agents, seed=number, policy_group_keys=[0] * AGENTS if grouped else None)


def actions_of(run, steps):
    """Return what all agents did in each step."""
    done = []
    for agent in run._agents:
        take = agent.set_action
        agent.set_action = lambda action, take=take: (done.append(action.name), take(action))
    for _ in range(steps):
        run.step()
    return [tuple(done[t : t + AGENTS]) for t in range(0, len(done), AGENTS)]


def observation(agent, rows):
    tokens = [ObservationToken(feature=None, value=int(row[2]), raw_token=tuple(row)) for row in rows]
    return AgentObservation(agent_id=agent, tokens=tokens)


class TestItsReturns:
    """Oracle: `glulam eval`, which plays with our environment, trainer's world and memory slots."""

    @pytest.mark.parametrize(("greedy", "worlds"), [(True, 3), (False, 1)])
    @pytest.mark.parametrize("seed", [0, 5])
    def test_they_are_those_of_eval(self, made, checkpoint, greedy, worlds, seed):
        """Drawn actions in one world: in several, `eval` draws for all at once."""
        loaded = glulam.load(checkpoint)
        report = evaluate_policy(loaded, "mettagrid:forage", worlds * AGENTS, seed, greedy=greedy)
        policy, returns = made(greedy=greedy, seed=seed), []
        for world in range(worlds):
            run = rollout(policy, seed, world)
            run.run_until_done()
            returns += run._sim.episode_rewards.tolist()
            assert run._sim.current_step == report["length_mean"]
            assert run.timeout_counts == [0] * AGENTS
        assert sum(returns) / len(returns) == pytest.approx(report["return_mean"], abs=1e-6)

    def test_they_are_not_all_zero(self, checkpoint):
        assert evaluate_policy(glulam.load(checkpoint), "mettagrid:forage", AGENTS, 0)["return_mean"] > 0.2


class TestGroups:
    def test_agents_do_the_same_one_by_one(self, made):
        grouped, single = (actions_of(rollout(made(greedy=True), grouped=grouped), 20) for grouped in (True, False))
        assert grouped == single
        assert len({action for step in grouped for action in step}) > 1

    def test_a_group_is_agents_of_one_policy(self, made):
        one, other = made(), made()
        agents = [one.agent_policy(0), one.agent_policy(1)]
        assert agents[0].can_step_group(agents)
        assert not agents[0].can_step_group([*agents, other.agent_policy(2)])

    def test_part_of_a_group_leaves_the_memory_of_the_others(self, made):
        policy = made(greedy=True)
        obs = [observation(agent, [(0xFE, 1, 1), (0x55, 0, agent)]) for agent in range(AGENTS)]
        agents = [policy.agent_policy(agent) for agent in range(AGENTS)]
        agents[0].step_group(list(enumerate(obs)))
        before = policy.network().memory_state(torch.arange(AGENTS))["memory", "h"]
        agents[3].step_group([(3, obs[3]), (1, obs[1])])
        after = policy.network().memory_state(torch.arange(AGENTS))["memory", "h"]
        assert (before != after).flatten(1).any(1).tolist() == [False, True, False, True]


class TestMemory:
    def test_reset_is_the_start_of_an_episode_for_that_agent(self, made):
        policy = made(greedy=True)
        fresh = made(greedy=True)
        obs = observation(0, [(0xFE, 1, 1), (0x54, 0, 2)])
        agents = [policy.agent_policy(agent) for agent in range(2)]
        for _ in range(3):
            agents[0].step_group([(0, obs), (1, obs)])
        agents[0].reset()
        agents[0].step_group([(0, obs), (1, obs)])
        fresh.agent_policy(0).step(obs)
        found = policy.network().memory_state(torch.arange(2))["memory", "h"]
        wanted = fresh.network().memory_state(torch.arange(1))["memory", "h"]
        torch.testing.assert_close(found[0], wanted[0], rtol=1e-5, atol=1e-5)
        assert not torch.allclose(found[1], wanted[0], rtol=1e-3, atol=1e-3)

    def test_reset_of_the_policy_is_that_of_all(self, made):
        policy = made(greedy=True)
        agent, obs = policy.agent_policy(2), observation(2, [(0xFE, 1, 1)])
        agent.step(obs)
        once = policy.network().memory_state(torch.tensor([2]))["memory", "h"]
        agent.step(obs)
        policy.reset()
        agent.step(obs)
        assert torch.equal(policy.network().memory_state(torch.tensor([2]))["memory", "h"], once)


class TestDrawing:
    def actions(self, policy):
        obs = observation(0, [(0xFE, 1, 1)])
        return [policy.agent_policy(0).step(obs).name for _ in range(40)]

    def test_a_seed_fixes_it_and_no_seed_does_not(self, made):
        assert self.actions(made(seed=3)) == self.actions(made(seed=3))
        assert self.actions(made(seed=3)) != self.actions(made(seed=4))
        assert self.actions(made()) != self.actions(made())

    def test_the_random_numbers_of_the_process_are_left_alone(self, made):
        policy = made(seed=3)
        torch.manual_seed(1)
        wanted = torch.rand(4)
        torch.manual_seed(1)
        self.actions(policy)
        assert torch.equal(torch.rand(4), wanted)


class TestNames:
    def test_a_world_with_other_numbers_gets_the_same_actions_by_name(self, made, checkpoint, interface):
        shift = {feature.id: (feature.id + 7) % 40 for feature in interface.obs_features}
        moved = interface.model_copy(
            update={
                "obs_features": [
                    feature.model_copy(update={"id": shift[feature.id]}) for feature in interface.obs_features
                ],
                "action_names": ["somersault", *reversed(interface.action_names)],
            }
        )
        other = GlulamPolicy(moved, greedy=True)
        other.load_policy_data(str(checkpoint))
        policy, found = made(greedy=True), []
        generator = torch.Generator().manual_seed(0)
        for _ in range(10):
            kinds = torch.randint(len(shift), (6,), generator=generator).tolist()
            rows = [(0x44 + n, interface.obs_features[kind].id, 0) for n, kind in enumerate(kinds)]
            there = [(place, shift[kind], value) for place, kind, value in rows]
            one = policy.agent_policy(0).step(observation(0, rows))
            found.append(one.name)
            assert other.agent_policy(0).step(observation(0, there)) == one
        assert len(set(found)) > 1

    def test_the_interface_tells_what_the_config_does(self, interface):
        """But for scales of amounts, which it does not know, and of which a policy has its own."""
        env = glulam.environment_spec("mettagrid:forage")
        told = interface_spec(interface, "mettagrid:forage", ("last_actions", "last_rewards"))
        assert {f.name: (f.id, f.values) for f in told.features} == {f.name: (f.id, f.values) for f in env.features}
        scaled = {f.name for f, g in zip(told.features, env.features, strict=True) if f != g}
        assert scaled <= {"inv:ore", "inv:heart"}
        assert (told.tags, told.actions, told.tokens) == (env.tags, env.actions, env.tokens)


class TestLastActions:
    def test_they_are_those_of_this_agent_and_none_at_first(self, made):
        policy = made(greedy=False, seed=0)
        seen = []
        network = policy.network()
        act = network.forward
        network.forward = lambda td: (seen.append(td["last_actions"].tolist()), act(td))[1]
        obs = [observation(agent, [(0xFE, 1, 1)]) for agent in range(2)]
        agents = [policy.agent_policy(agent) for agent in range(2)]
        names, done = policy.env.actions.names, []
        for t in range(6):
            if t == 4:
                agents[1].reset()
            done.append([names.index(action.name) for action in agents[0].step_group(list(enumerate(obs)))])
        assert seen == [[0, 0], *done[:3], [done[3][0], 0], done[4]]


def test_without_weights_it_says_where_they_come_from(interface):
    with pytest.raises(GlulamError, match=r"has no weights yet: load_policy_data\(CHECKPOINT\), or a bundle"):
        GlulamPolicy(interface).agent_policy(0).step(observation(0, [(0xFE, 1, 1)]))


def test_weights_can_be_saved_again(made, tmp_path):
    policy = made()
    policy.save_policy_data(str(tmp_path / "again.safetensors"))
    weights = glulam.load(tmp_path / "again.safetensors").state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in policy.network().state_dict().items()
               if isinstance(value, torch.Tensor))  # fmt: skip
