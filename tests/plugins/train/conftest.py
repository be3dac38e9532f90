"""`site/` holds `toy-mill`, a fake distribution with a world, layers and losses; `torch` runs on one thread."""

import sys
from pathlib import Path

import pytest
import torch

import glulam
from glulam_train.settings import TrainSettings
from glulam_train.trainer import Trainer

SITE = Path(__file__).parent / "site"


@pytest.fixture(autouse=True, scope="module")
def toy_mill():
    """Install the fake distribution."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SITE))
        yield
    torch.set_num_threads(before)
    for name in [name for name in sys.modules if name.partition(".")[0] == "toy_mill"]:
        del sys.modules[name]


@pytest.fixture
def settings():
    """Make settings for the toy world; small ones."""

    def make(**changes):
        small = {"policy": "toy", "env": "toy:cues", "steps": 512, "num_envs": 4, "horizon": 8, "minibatches": 2}
        return TrainSettings(**(small | changes))

    return make


@pytest.fixture
def trainer(settings):
    """Make a trainer of the toy policy in the toy world."""

    def make(**changes):
        chosen = settings(**changes)
        torch.manual_seed(chosen.seed)
        environment = glulam.make_environment(chosen.env, num_envs=chosen.num_envs, seed=chosen.seed)
        policy = glulam.build(chosen.policy, environment.spec, losses=chosen.losses)
        return Trainer(policy, environment, chosen)

    return make
