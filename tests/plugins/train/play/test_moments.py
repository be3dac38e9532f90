"""Episodes step by step. Oracle: `toy:shown_MODE`, whose cues and lengths its docstring gives."""

import numpy as np
import pytest
import torch

import glulam
from glulam import ActionSpec, GlulamError
from glulam_train.play.moments import _names, playing

MODES = ("same_step", "next_step", "disabled")
CUES = [[0, 1], [3, 0, 1, 2]]  # (3e + k) % 4 at step k of episode e, the end included


@pytest.fixture
def policy():
    torch.manual_seed(0)
    return glulam.build("toy", "toy:shown_same_step")


def play(policy, mode="same_step", episodes=2, **choices):
    with playing(policy, f"toy:shown_{mode}", episodes=episodes, **choices) as moments:
        return list(moments)


def in_mode(policy, mode):
    policy.initialize_to_environment(glulam.environment_spec(f"toy:shown_{mode}"))
    return policy


@pytest.mark.parametrize("mode", MODES)
def test_what_is_seen_is_what_was_there_in_each_mode_of_autoreset(policy, mode):
    moments = play(in_mode(policy, mode), mode)
    seen = [[int(m.view[0, 0, 0]) // 40 for m in moments if m.episode == episode] for episode in (1, 2)]
    assert seen == CUES
    assert [m.step for m in moments] == [0, 1, 0, 1, 2, 3]
    assert [m.is_end for m in moments] == [False, True, False, False, False, True]
    assert all(m.view.shape == (4, 6, 3) and m.view.dtype == np.uint8 for m in moments)


@pytest.mark.parametrize("mode", MODES)
def test_rewards_are_those_of_the_actions_and_returns_their_sums(policy, mode):
    total = 0.0
    for moment in play(in_mode(policy, mode), mode, episodes=40):
        total = 0.0 if moment.step == 0 else total
        if not moment.is_end:
            cue = int(moment.view[0, 0, 0]) // 40
            assert moment.rewards == [1.0 if moment.actions == ["abcd"[cue]] else -0.25]
            total += moment.rewards[0]
        assert moment.returns == [total]
        assert moment.mean_return == total


def test_values_are_the_policys_own_and_there_are_none_at_the_end(policy):
    said = []
    policy.register_forward_hook(lambda _, __, td: said.append(td["values"].tolist()))
    moments = play(policy)
    assert [m.values for m in moments if not m.is_end] == said
    assert [m.values for m in moments if m.is_end] == [[], []]


def test_text_takes_the_place_of_pictures_where_it_is_asked_for(policy):
    assert [m.view for m in play(policy, as_text=True)] == [f"cue {cue}" for episode in CUES for cue in episode]


def test_agents_of_one_world_play_until_the_last_has_ended(policy, monkeypatch):
    """Two rows of `toy:same_step`, of 1 and 2 steps: what the first earns in its next episode does not count."""
    from toy_mill.world import Modes, Worlds

    monkeypatch.setattr(Modes, "render", lambda *_, **__: np.zeros((2, 2, 3), np.uint8), raising=False)
    assert Worlds().spec("same_step").num_agents == 2
    first, second, end = play_in(glulam.build("toy", "toy:same_step"), "toy:same_step")
    assert (len(first.actions), end.step, end.is_end) == (2, 2, True)
    assert second.rewards[0] == 0.0
    assert end.returns == [first.rewards[0], first.rewards[1] + second.rewards[1]]
    assert end.mean_return == sum(end.returns) / 2


def play_in(policy, env):
    with playing(policy, env) as moments:
        return list(moments)


def test_the_same_seed_plays_the_same_and_leaves_random_numbers_and_memory_as_they_were(policy):
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    first, again, other = ([m.actions for m in play(policy, episodes=20, seed=seed)] for seed in (1, 1, 2))
    assert first == again != other
    assert torch.equal(torch.rand(3), expected)
    assert float(policy.memory_state(torch.arange(1))["toy_memory", "sum"].abs().max()) == 0


def test_greedy_play_takes_the_likeliest(policy):
    with torch.no_grad():
        actor = policy.layers["toy_table"].module.actor
        actor.weight.zero_()
        actor.bias.copy_(torch.tensor([0.0, 0.1, 0.0, 0.0]))
    assert {tuple(m.actions) for m in play(policy, episodes=20, greedy=True)} == {("b",), ()}
    assert len({tuple(m.actions) for m in play(policy, episodes=20)}) == 5


def test_worlds_have_the_seeds_of_evaluation_and_are_closed(policy, monkeypatch):
    make, made = glulam.make_environment, []

    def record(uri, **choices):
        made.append((make(uri, **choices), choices))
        return made[-1][0]

    monkeypatch.setattr(glulam, "make_environment", record)
    play(policy, seed=4)
    [(world, choices)] = made
    assert choices == {"num_envs": 1, "seed": 9, "render": True}
    assert world.closed


def test_an_environment_that_cannot_be_looked_at_is_refused(policy):
    with pytest.raises(GlulamError) as error, playing(policy, "toy:cues"):
        pass
    assert str(error.value) == (
        "environment 'toy:cues' cannot be looked at: its worlds have no render(); tell its authors, who find what it "
        "must return in glulam.RenderableEnvironment"
    )


@pytest.mark.parametrize(("episodes", "seed"), [(0, 0), (1, -1)])
def test_numbers_out_of_range_are_refused(policy, episodes, seed):
    with (
        pytest.raises(GlulamError, match=f"episodes is {episodes} and seed {seed}: write at least 1 episode"),
        playing(policy, "toy:shown_same_step", episodes=episodes, seed=seed),
    ):
        pass


class TestNames:
    """By hand."""

    def test_each_kind(self):
        one = ActionSpec(names=("stay", "go"))
        assert _names(one, torch.tensor([1, 0])) == ["go", "stay"]
        several = ActionSpec(names=("x:0", "y:0", "y:1"), choices=(1, 2))
        assert _names(several, torch.tensor([[0, 1], [0, 0]])) == ["x:0  y:1", "x:0  y:0"]
        numbers = ActionSpec(names=("gas", "brake"), low=(0, None), high=(1, None))
        assert _names(numbers, torch.tensor([[0.5, -1.25]])) == ["gas 0.50  brake -1.25"]
