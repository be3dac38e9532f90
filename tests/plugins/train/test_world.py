"""The three modes of autoreset, in a world that plays the same episodes in each.

Oracle: the same_step world, whose rows are all transitions; the steps of the others that count must be the same,
one by one, and learned from in the same way. `B` rows, `H` steps.
"""

import pytest
import torch
from tensordict import TensorDict

import glulam
from glulam import GlulamError
from glulam_train.evaluation import evaluate_policy
from glulam_train.trainer import Trainer
from glulam_train.world import World

MODES = ("same_step", "next_step", "disabled")


@pytest.fixture
def played(settings, monkeypatch):
    """Return a function: mode to a trainer that has played 24 steps by a greedy policy, and what they led to."""

    def make(mode):
        chosen = settings(env=f"toy:{mode}", horizon=24, minibatches=1, epochs=1)
        environment = glulam.make_environment(chosen.env, num_envs=4, seed=0)
        torch.manual_seed(0)
        policy = glulam.build("toy", environment.spec, losses=["ppo"])
        policy.each("set_greedy", True)
        trainer = Trainer(policy, environment, chosen)
        metrics = trainer.update()
        return trainer, metrics

    return make


def steps_that_count(trainer):
    """Each row's steps as lists of numbers, by episodes that ended within the rollout; the last one is left out."""
    buffer, outcome = trainer.buffer, trainer.rollout.outcome
    found = []
    for row in range(buffer.rows):
        steps, whole = [], []
        for t in range(buffer.horizon):
            if not outcome.valid_t[row, t]:
                continue
            steps.append(
                [
                    *(
                        float(buffer[key][row, t])
                        for key in ("actions", "values", "act_log_prob", "advantages", "returns")
                    ),
                    float(buffer["env_obs"][row, t, 0, 2]),
                    float(buffer["dones"][row, t] | buffer["truncateds"][row, t]),
                    float(outcome.reward_tp1[row, t]),
                    float(outcome.done_tp1[row, t]),
                    float(outcome.truncated_tp1[row, t]),
                ]
            )
            if outcome.done_tp1[row, t] or outcome.truncated_tp1[row, t]:
                whole += steps
                steps = []
        found.append(whole)
    return found


@pytest.mark.parametrize("mode", ["next_step", "disabled"])
def test_what_counts_is_the_same_in_each_mode(played, mode):
    expected, found = (steps_that_count(played(m)[0]) for m in ("same_step", mode))
    for row, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        count = min(len(ours), len(theirs))  # steps that start an episode take time, so fewer episodes fit in
        assert count >= 10, row
        torch.testing.assert_close(torch.tensor(ours[:count]), torch.tensor(theirs[:count]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_training_agrees_with_the_rollout(played, mode):
    trainer, metrics = played(mode)
    assert metrics["ratio_error"] < 1e-5
    ignored = ~trainer.buffer["valid"]
    assert bool(ignored.any()) == (mode == "next_step")
    assert not trainer.rollout.outcome.reward_tp1[ignored].any()


def test_a_flag_that_comes_too_early_breaks_it(played, monkeypatch):
    """Sabotage: memory is cleared for the last observation of an episode, as the environment's own flags say."""

    def unshifted(self):
        step = received(self)
        step.td.set("dones", step.done).set("truncateds", step.truncated)
        return step

    expected = steps_that_count(played("next_step")[0])
    received = World.receive
    monkeypatch.setattr(World, "receive", unshifted)
    found = steps_that_count(played("next_step")[0])
    gaps = [abs(a[1] - b[1]) for ours, theirs in zip(found, expected, strict=True) for a, b in zip(ours, theirs)]  # noqa: B905
    assert max(gaps) > 0.05


@pytest.mark.parametrize("mode", MODES)
def test_returns_and_lengths_of_episodes_are_the_same_in_each_mode(mode):
    torch.manual_seed(0)
    policy = glulam.build("toy", glulam.environment_spec("toy:same_step"))
    expected = evaluate_policy(policy, "toy:same_step", 24, 0, greedy=True)
    found = evaluate_policy(policy, f"toy:{mode}", 24, 0, greedy=True)
    assert found | {"environment": ""} == expected | {"environment": ""}


def test_a_loss_that_knows_nothing_of_ignored_actions_is_refused(trainer):
    with pytest.raises(
        GlulamError, match=r"loss 'toy_l2' does not read 'valid', and environment 'toy:next_step' \(auto"
    ):
        trainer(env="toy:next_step", losses=("ppo", "toy_l2"))
    trainer(env="toy:disabled", losses=("ppo", "toy_l2"))


def test_actions_go_to_where_the_observations_are():
    """Oracle: `meta`, a device that is neither the host nor a GPU."""
    given = []

    class Elsewhere:
        spec = glulam.environment_spec("toy:cues")

        def reset(self):
            return TensorDict({"env_obs": torch.zeros(3, 1, 3, device="meta")}, batch_size=[3])

        def send(self, actions):
            given.append(actions)

    world = World(Elsewhere())
    world.reset()
    world.send(torch.zeros(3, dtype=torch.int64))
    assert [actions.is_meta for actions in given] == [True]
