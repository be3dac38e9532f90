"""What a trainer refuses, before anything is played or as soon as it shows, and whom it names."""

import pytest
import torch

import glulam
from glulam import GlulamError
from glulam_train.trainer import Trainer


def test_a_loss_that_is_not_a_number_stops_before_the_weights_change(trainer):
    made = trainer(losses=("ppo", {"loss": "toy_nan", "after": 3}), learning_rate=1e-4)
    with pytest.raises(GlulamError, match=r"stopped after 0 agent-steps: the loss is nan.*than 0\.0001"):
        made.update()
    assert all(torch.isfinite(weight).all() for weight in made.policy.parameters())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"minibatches": 3},
            r"does not divide the 8 segments of an update \(4 environments x 2 agents x 1 of 8 steps\): write one",
        ),
        ({"segment": 3}, r"segment is 3, which does not divide the horizon of 8: write one of \[1, 2, 4, 8\]"),
        ({"segment": 4, "burn_in": 4}, "burn_in is 4, which leaves nothing of segments of 4 steps: write less"),
        (
            {"freeze": ("toy_memroy",)},
            "freeze: policy 'toy' has no layer 'toy_memroy'; there are: obs_shaper, toy_memory",
        ),
        ({"freeze": ("toy_memory", "toy_table")}, "freeze leaves nothing to train"),
        (
            {"groups": ({"layers": ["x"], "learning_rate": 1},)},
            "groups: policy 'toy' has no layer 'x'; there are: obs_shaper",
        ),
        (
            {"groups": ({"layers": ["toy_table"], "learning_rate": 1}, {"layers": ["toy_table"], "weight_decay": 1})},
            r"groups: a layer of \['toy_table'\] is in another group already",
        ),
        (
            {"losses": ("ppo", {"loss": "kickstart", "teacher": "nowhere.safetensors"})},
            r"loss kickstart: teacher nowhere.safetensors \(looked for in .*\): there is no checkpoint nowhere",
        ),
    ],
)
def test_what_it_cannot_do_is_refused_before_anything_is_played(trainer, changes, message):
    with pytest.raises(GlulamError, match=message):
        trainer(**changes)


def test_a_key_that_only_an_action_makes_is_not_known_of_the_next_step(trainer):
    message = "loss 'prediction' reads 'actions' of the next step, where no action has been chosen yet; there are: core"
    with pytest.raises(GlulamError, match=message):
        trainer(losses=("ppo", {"loss": "prediction", "target_key": "actions"}))


@pytest.mark.parametrize(
    ("result", "found"),
    [(None, "NoneType"), (torch.ones(2), r"a tensor of shape \[2\]"), ((torch.ones(2), {}), "a tuple of 2")],
)
def test_a_loss_that_returns_something_else_is_named(trainer, result, found):
    made = trainer()
    made.terms["ppo"] = lambda current, stored: result
    with pytest.raises(GlulamError, match=f"loss 'ppo' returned {found}; it must return a scalar tensor and a mapping"):
        made.update()


@pytest.mark.parametrize("minibatches", [1, 8])
def test_minibatches_of_nothing_but_ignored_actions_are_left_out(trainer, minibatches):
    made = trainer(env="toy:next_step", horizon=1, minibatches=minibatches)
    for _ in range(12):
        metrics = made.update()
        assert all(torch.isfinite(weight).all() for weight in made.policy.parameters())
    assert metrics["ratio_error"] < 1e-5


class Faulty:
    """A world that after a while gives something that is no number."""

    def __init__(self, world, what):
        self.world, self.spec, self.what, self.steps = world, world.spec, what, 0

    def reset(self):
        return self.world.reset()

    def step(self, actions):
        td = self.world.step(actions)
        self.steps += 1
        if self.steps > 10:
            td[self.what][1] = float("nan")
        return td


def test_a_reward_that_is_no_number_is_the_worlds_fault(settings):
    chosen = settings()
    world = Faulty(glulam.make_environment(chosen.env, num_envs=4, seed=0), "rewards")
    made = Trainer(glulam.build("toy", world.spec, losses=["ppo"]), world, chosen)
    made.update()
    with pytest.raises(
        GlulamError, match="after 64 agent-steps: environment 'toy:cues' gave a reward that is not fini"
    ):
        made.update()


def test_a_world_that_throws_is_named_with_the_place(settings):
    chosen = settings()
    world = Faulty(glulam.make_environment(chosen.env, num_envs=4, seed=0), "nothing")  # no such key
    made = Trainer(glulam.build("toy", world.spec, losses=["ppo"]), world, chosen)
    made.update()
    message = r"environment 'toy:cues' failed in step 2 of a rollout with KeyError: .*\(.*, line \d+\); the last checkp"
    with pytest.raises(GlulamError, match=message):
        made.update()


def test_weights_that_are_no_numbers_are_named(trainer):
    made = trainer()
    with torch.no_grad():
        made.policy.layers["toy_table"].module.critic.bias.fill_(float("inf"))
    with pytest.raises(
        GlulamError, match=r"layers\.toy_table\.module\.critic\.bias is not finite; the last checkpoint"
    ):
        made.check_weights()
