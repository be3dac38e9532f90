"""Policies that learn in these worlds, and those that cannot."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from tensordict import TensorDict

import glulam
from glulam import GlulamError, PolicyError
from glulam_train.checks import check_losses
from glulam_train.evaluation import evaluate_policy, random_return
from glulam_train.settings import TrainSettings
from glulam_train.trainer import Trainer
from glulam_train.world import World

MEADOW = "pettingzoo:tests.plugins.gymnasium.meadow"
HORIZON, COPIES, AGENTS = 40, 3, 4


def policy_of(head="action_distribution", *, normalize=False):
    return {
        "glulam": 1,
        "name": "small",
        "obs_shaper": {"layer": "vector_shaper", "out_key": "vector", "normalize": normalize},
        "layers": [
            {"layer": "mlp", "in_key": "vector", "out_key": "encoded", "hidden_sizes": [], "out_dim": 8},
            {"layer": "gru", "in_key": "encoded", "out_key": "core", "hidden_size": 8},
            {"layer": "linear_actor", "in_key": "core", "out_key": "logits"},
            {"layer": "value_head", "in_key": "core", "out_key": "values"},
        ],
        "action_head": {"layer": head, "in_key": "logits"},
    }


def trained(env, **changes):
    """Return a trainer after one update in a world, and what the update measured."""
    torch.manual_seed(0)
    settings = TrainSettings(
        env=env, policy="small", num_envs=COPIES, horizon=HORIZON, epochs=1, minibatches=1, **changes
    )
    environment = glulam.make_environment(env, num_envs=COPIES, seed=0)
    policy = glulam.build(policy_of(normalize=True), environment.spec, losses=["ppo"])
    trainer = Trainer(policy, environment, settings)
    return trainer, trainer.update()


class TestAgentsThatComeAndGo:
    """Of a game in which rows wait."""

    def test_training_agrees_with_the_rollout(self):
        trainer, metrics = trained(MEADOW)
        assert metrics["ratio_error"] < 1e-5
        buffer = trainer.buffer
        assert 0 < (~buffer["valid"]).sum() < buffer["valid"].sum()
        waiting = ~buffer["valid"]
        assert not buffer["env_obs"][waiting].any()
        assert not trainer.rollout.outcome.reward_tp1[waiting].any()
        assert not (trainer.rollout.outcome.done_tp1 | trainer.rollout.outcome.truncated_tp1)[waiting].any()

    def test_an_agents_life_is_remembered_alone(self):
        """Oracle: the observations of one life at a time, from an empty memory, without the rest of the world."""
        world = glulam.make_environment(MEADOW, num_envs=COPIES, seed=0)
        policy, td = glulam.build(policy_of(), world.spec), world.reset()
        lives, whole = [[] for _ in td["env_id"]], []
        for _ in range(60):
            before = td["active"].clone()
            observations = td["env_obs"].clone()
            acted = policy(td)
            for row in before.nonzero()[:, 0].tolist():
                lives[row].append((observations[row], acted["values"][row].item()))
            td = world.step(acted["actions"])
            for row in (before & (td["dones"] | td["truncateds"])).nonzero()[:, 0].tolist():
                whole.append(lives[row])
                lives[row] = []
        assert len(whole) > 60
        for life in whole:
            seen, values = zip(*life, strict=True)
            flags = torch.zeros(1, len(life), dtype=torch.bool)
            inputs = {"env_obs": torch.stack(seen)[None], "dones": flags, "truncateds": flags}
            alone = policy.evaluate(TensorDict(inputs, batch_size=[1, len(life)]))["values"][0]
            torch.testing.assert_close(alone, torch.tensor(values), rtol=1e-5, atol=1e-5)

    def test_statistics_are_of_those_who_are_there(self):
        """Oracle: NumPy's mean and standard deviation of the observations that somebody acted on."""
        trainer, _ = trained(MEADOW)
        seen = trainer.buffer["env_obs"][trainer.buffer["valid"]].double()
        shaper = next(module for module in trainer.policy.modules() if hasattr(module, "update_statistics"))
        torch.testing.assert_close(shaper.mean.double(), seen.mean(0), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(shaper.variance.double(), seen.var(0, correction=0), rtol=1e-5, atol=1e-5)

    def test_evaluation_counts_each_agents_own_episodes(self):
        """Oracle: by hand: a life of k steps earns, and lasts from 3 to 5 steps."""
        report = random_return(MEADOW, 48, 0)
        assert report["episodes"] == 48
        assert 3 <= report["length_mean"] <= 5
        policy = glulam.build(policy_of(), glulam.environment_spec(MEADOW))
        assert 3 <= evaluate_policy(policy, MEADOW, 48, 0)["length_mean"] <= 5

    def test_a_loss_that_would_learn_from_rows_that_wait(self):
        world = World(glulam.make_environment(MEADOW, num_envs=1, seed=0))
        policy = glulam.build(policy_of(), world.spec)
        with pytest.raises(GlulamError) as caught:
            check_losses(policy, world, {"deaf": SimpleNamespace(computed_keys=(), stored_keys=("actions",))})
        assert str(caught.value) == (
            f"loss 'deaf' does not read 'valid', and environment '{MEADOW}' (whose agents come and go) has steps whose "
            "actions are ignored: take another loss"
        )


class TestHeads:
    """Oracle: the text that a user reads who gives a policy actions that its head cannot serve."""

    @pytest.mark.parametrize(
        ("task", "head", "found"),
        [
            ("Pendulum-v1", "action_distribution", "int64 [], but {} takes continuous ones, float32 [1]"),
            ("CartPole-v1", "gaussian_distribution", "float32 [2], but {} takes discrete ones, int64 []"),
            ("CartPole-v1", "multi_discrete_distribution", "int64 [1], but {} takes discrete ones, int64 []"),
            ("Dials-v0", "action_distribution", "int64 [], but {} takes multi-discrete ones, int64 [4]"),
        ],
    )
    def test_actions_that_a_head_cannot_serve(self, task, head, found):
        with pytest.raises(PolicyError) as caught:
            glulam.build(policy_of(head), glulam.environment_spec(f"gymnasium:{task}"))
        (fault,) = caught.value.faults
        assert fault.message == "chooses actions as " + found.format(f"environment 'gymnasium:{task}'")
        kind = found.split(" takes ")[1].split()[0]
        assert fault.remedy == f"take an action head for {kind} actions"
