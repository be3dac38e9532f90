"""Evaluation: exactly the episodes that were asked for, none favoured, and a policy left as it was."""

import math

import pytest
import torch

import glulam
from glulam import ActionSpec, GlulamError
from glulam_train.evaluation import _random_actions, evaluate_policy, random_return

KEYS = {"episodes", "return_mean", "return_ci95", "length_mean", "seed", "environment", "checkpoint"}


@pytest.fixture
def policy():
    torch.manual_seed(0)
    return glulam.build("toy", "toy:cues")


@pytest.fixture
def worlds(monkeypatch):
    """Every world that is made, with the seed it was asked for."""
    made = []
    make = glulam.make_environment

    def record(uri, *, num_envs, seed):
        made.append((make(uri, num_envs=num_envs, seed=seed), seed))
        return made[-1][0]

    monkeypatch.setattr(glulam, "make_environment", record)
    return made


def test_the_report_has_the_documented_fields(policy):
    report = evaluate_policy(policy, "toy:cues", 12, 3, checkpoint="a.safetensors")
    assert set(report) == KEYS
    assert (report["episodes"], report["seed"], report["environment"]) == (12, 3, "toy:cues")
    assert report["checkpoint"] == "a.safetensors"


@pytest.mark.parametrize("episodes", [1, 2, 7, 64, 65, 200])
def test_short_episodes_are_not_favoured(policy, episodes):
    """In `toy:uneven` an agent's episodes last 1 step, its fellow's 9: half of each, whichever end first."""
    report = evaluate_policy(policy, "toy:uneven", episodes, 0)
    short = math.ceil(episodes / 2)
    assert report["length_mean"] == pytest.approx((short + 9 * (episodes - short)) / episodes)


def test_a_return_is_one_agents_over_one_episode():
    report = random_return("toy:short", 50, 0)
    assert (report["return_mean"], report["return_ci95"], report["length_mean"]) == (1.0, 0.0, 1.0)


def test_random_play_earns_what_chance_earns():
    """A step earns 1 with probability 1/4 and -0.25 else, 0.0625; an episode lasts 4.5 steps."""
    report = random_return("toy:cues", 4000, 0)
    assert abs(report["return_mean"] - 4.5 * 0.0625) < 2 * report["return_ci95"]
    assert report["checkpoint"] is None


def test_the_interval_counts_agents_of_one_world_as_one(monkeypatch):
    """Where both agents of a world always earn the same, half of the episodes tell nothing new."""

    def doubled(environment, act, episodes, watch):
        returns = torch.randn(episodes // 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        groups = torch.arange(episodes // 2).repeat(2)
        return returns.repeat(2), torch.ones(episodes, dtype=torch.float64), groups

    monkeypatch.setattr("glulam_train.evaluation._collect", doubled)
    report = random_return("toy:cues", 200, 0)
    alone = torch.randn(100, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert report["return_ci95"] == pytest.approx(1.96 * float(alone.std()) / 10)


def test_one_group_has_no_interval(policy):
    assert evaluate_policy(policy, "toy:cues", 2, 0)["return_ci95"] is None


def test_the_same_seed_plays_the_same_episodes_and_another_others(policy):
    first, again, other = (evaluate_policy(policy, "toy:cues", 40, seed) for seed in (1, 1, 2))
    assert first == again
    assert first["return_mean"] != other["return_mean"]


def test_no_seed_is_a_trainings(policy, worlds):
    for seed in range(4):
        evaluate_policy(policy, "toy:cues", 2, seed)
    assert [seed % 2 for _, seed in worlds] == [1, 1, 1, 1]
    assert len({seed for _, seed in worlds}) == 4


def test_worlds_are_closed_and_the_callers_random_numbers_untouched(policy, worlds):
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    evaluate_policy(policy, "toy:cues", 4, 5)
    assert torch.equal(torch.rand(3), expected)
    assert all(world.closed for world, _ in worlds)


def test_memory_is_empty_before_and_after(policy):
    clean = evaluate_policy(policy, "toy:cues", 40, 1)
    memory = policy.layers["toy_memory"].module
    rows = torch.arange(8)
    memory.slots.reserve(8)
    for buffer in memory.slots.buffers():
        buffer.fill_(50.0)
    assert evaluate_policy(policy, "toy:cues", 40, 1) == clean
    assert float(policy.memory_state(rows)["toy_memory", "sum"].abs().max()) == 0


@pytest.mark.parametrize("training", [True, False])
def test_the_policy_plays_in_evaluation_mode_and_gets_its_own_back(policy, training):
    policy.train(training)
    modes = set()
    policy.register_forward_pre_hook(lambda module, _: modes.add(module.training))
    evaluate_policy(policy, "toy:cues", 2, 0)
    assert modes == {False}
    assert policy.training is training


def test_greedy_play_takes_the_likeliest_action_and_ends_with_the_evaluation(policy):
    critic = policy.layers["toy_table"].module
    with torch.no_grad():
        critic.actor.weight.copy_(0.5 * torch.eye(4))  # leans to the right action, no more
        critic.actor.bias.zero_()
        policy.layers["toy_memory"].module.into.weight.zero_()
        policy.layers["toy_memory"].module.into.bias.zero_()
    drawn = evaluate_policy(policy, "toy:cues", 40, 1)
    greedy = evaluate_policy(policy, "toy:cues", 40, 1, greedy=True)
    assert greedy["return_mean"] == greedy["length_mean"] > drawn["return_mean"]
    assert evaluate_policy(policy, "toy:cues", 40, 1) == drawn


def test_greedy_play_without_a_head_that_can_is_refused(policy, monkeypatch):
    monkeypatch.setattr(policy, "each", lambda *args: {} if args[0] == "set_greedy" else None)
    with pytest.raises(GlulamError, match="the action head of 'toy' has no set_greedy"):
        evaluate_policy(policy, "toy:cues", 2, 0, greedy=True)


@pytest.mark.parametrize(("episodes", "seed"), [(0, 0), (-1, 0), (5, -1)])
def test_numbers_out_of_range_are_refused(policy, episodes, seed):
    with pytest.raises(GlulamError, match="write at least 1 episode and a seed of at least 0"):
        evaluate_policy(policy, "toy:cues", episodes, seed)


class TestRandomActions:
    """Oracle: the range of each number, and its mean by a large sample."""

    def test_each_kind(self):
        names = tuple("abc")
        low, high = (-2.0, None, 0.0), (4.0, None, 0.5)
        numbers = _random_actions(ActionSpec(names=names, low=low, high=high), 20_000)
        assert numbers.shape == (20_000, 3)
        for column, (least, most, mean) in enumerate([(-2, 4, 1.0), (-9, 9, 0.0), (0, 0.5, 0.25)]):
            assert least <= float(numbers[:, column].min()) <= float(numbers[:, column].max()) <= most
            assert float(numbers[:, column].mean()) == pytest.approx(mean, abs=0.05)
        options = _random_actions(ActionSpec(names=("x:0", "y:0", "y:1"), choices=(1, 2)), 4000)
        assert options.shape == (4000, 2)
        assert set(options[:, 0].tolist()) == {0}
        assert float(options[:, 1].double().mean()) == pytest.approx(0.5, abs=0.05)
        assert set(_random_actions(ActionSpec(names=names), 100).tolist()) == {0, 1, 2}
