"""How a glulam policy meets TorchRL's keys, actions and exploration, and what is said of mistakes."""

import importlib
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from tensordict import TensorDict
from tensordict.nn import TensorDictModuleBase
from torch import nn

from glulam import GlulamError
from glulam.interop.torchrl import KEYS, actor, critic

with warnings.catch_warnings():  # torchrl warns of its own classes when it is first imported
    warnings.filterwarnings("ignore", "Creating .* which inherits from WeightUpdaterBase", DeprecationWarning)
from torchrl.data import Bounded, Categorical, OneHot
from torchrl.envs import ExplorationType
from torchrl.envs.utils import set_exploration_type
from torchrl.modules import set_recurrent_mode
from torchrl.objectives.value import GAE

from tests.core.interop.conftest import MASKED, ROWS, STEPS, assert_close, build, collect, world

# --- actions


def test_deterministic_takes_the_likeliest(lstm):
    acting = actor(lstm)
    td = world(acting).reset()
    with set_exploration_type(ExplorationType.DETERMINISTIC):
        acting(td)
    assert td["action"].shape == (ROWS, 2)
    assert (td["action"].argmax(-1) == td["logits"].argmax(-1)).all()
    assert (td["action"].sum(-1) == 1).all()


def test_acting_samples(lstm):
    acting = actor(lstm)
    td = world(acting).reset()[:1].expand(4000).clone()
    drawn = acting(td)["action"].float().mean(0)
    torch.testing.assert_close(drawn, td["logits"][0].exp(), atol=0.03, rtol=0)


@pytest.mark.parametrize("given", ["categorical", Categorical(2)])
def test_actions_as_integers(lstm, given):
    acting = actor(lstm, action=given)
    data = collect(acting, categorical_action_encoding=True)
    assert (data["action"].shape, data["action"].dtype) == ((ROWS, STEPS), torch.int64)
    with set_recurrent_mode(True):
        dist = acting.get_dist(data.copy())
        assert_close(acting.get_dist_params(data.copy())["logits"], dist.logits)
    assert_close(dist.log_prob(data["action"]), data["action_log_prob"])
    with set_exploration_type(ExplorationType.DETERMINISTIC):
        assert (acting(data.reshape(-1))["action"] == data["logits"].reshape(-1, 2).argmax(-1)).all()


def test_the_spec_of_a_world_tells_the_kind(lstm):
    for spec, kind in ((OneHot(2), "one_hot"), (Categorical(2), "categorical")):
        acting = actor(lstm, action=spec)
        same = actor(lstm, action=kind)
        assert acting[-1].distribution_class is same[-1].distribution_class


def test_a_masked_action_is_never_taken():
    policy = build(env=MASKED, mask_key="action_mask")
    acting = actor(policy)
    td = TensorDict({"observation": torch.randn(500, 4), "is_init": torch.ones(500, 1, dtype=torch.bool)}, [500])
    td["action_mask"] = torch.tensor([True, False, True]).expand(500, 3)
    acting(td)
    assert td["action"].sum(0)[1] == 0
    assert td["action"].sum(0)[[0, 2]].all()
    assert acting.get_dist(td.copy()).entropy().isfinite().all()


# --- keys


def test_every_key_can_be_changed(lstm):
    names = ("obs", "act", ("old", "log_prob"), "scores", "v", "started", ("my", "memory"))
    keys = dict(zip(KEYS, names, strict=True))
    acting, valuing = actor(lstm, keys=keys), critic(lstm, keys=keys)
    td = TensorDict({"obs": torch.randn(2, 4), "started": torch.ones(2, 1, dtype=torch.bool)}, [2])
    valuing(acting(td))
    assert set(td.keys(include_nested=True, leaves_only=True)) == {
        *("obs", "started", "act", "scores", "v", ("old", "log_prob")),
        *(("next", "my", "memory", "core", name) for name in "hc"),
    }
    plain = TensorDict({"observation": td["obs"], "is_init": td["started"]}, [2])
    assert_close(td["v"], critic(lstm)(plain)["state_value"])
    assert ("my", "memory", "core", "c") in acting.make_tensordict_primer().primers.keys(True)


def test_the_head_may_use_other_keys():
    policy = build(full_log_probs_key="all", actions_key="chosen")
    td = TensorDict({"observation": torch.randn(2, 4), "is_init": torch.ones(2, 1, dtype=torch.bool)}, [2])
    assert set(actor(policy)(td).keys()) == {*td.keys(), "logits", "action", "action_log_prob", "next"}


# --- errors


def test_messages_of_making():
    policy = build()
    unknown = "keys: 'obs' is no key of glulam's; there are: env_obs, actions, "
    for make in (actor, critic):
        with pytest.raises(GlulamError, match=unknown):
            make(policy, keys={"obs": "observation"})
    with pytest.raises(GlulamError, match=r"action is 'discrete'; write 'one_hot', 'categorical', or an action_spec"):
        actor(policy, action="discrete")
    with pytest.raises(GlulamError, match=r"action is Bounded"):
        actor(policy, action=Bounded(-1, 1, (2,)))
    with pytest.raises(GlulamError, match="the action spec has 3 actions, the policy's environment 2"):
        actor(policy, action=OneHot(3))
    policy.action_head.score_keys = ["act_log_prob"]
    with pytest.raises(GlulamError, match="action head ActionDistribution gives act_log_prob; TorchRL needs the log"):
        actor(policy)
    policy.out_keys.remove("values")
    with pytest.raises(GlulamError, match="policy 'small' gives out no 'values', but logits"):
        critic(policy)


def test_messages_of_running(lstm):
    data = collect(actor(lstm))
    acting, valuing = actor(lstm), critic(lstm)
    step = data[:, 3]
    for without, message in (
        ("observation", "lacks 'observation': the policy reads it as 'env_obs'; it holds: glulam, "),
        ("is_init", "lacks 'is_init': append torchrl.envs.InitTracker() to the environment; it holds: "),
        ("glulam", "lacks ('glulam', 'core', 'h'): append the actor's make_tensordict_primer() to the environment"),
    ):
        for module in (acting, valuing):
            with pytest.raises(GlulamError) as caught:
                module(step.exclude(without))
            assert message in str(caught.value)
    with pytest.raises(GlulamError, match="a sequence is given where a step is meant: call GAE too in"):
        GAE(gamma=0.9, lmbda=0.8, value_network=valuing, deactivate_vmap=True)(data)
    with set_recurrent_mode(True):
        with pytest.raises(GlulamError, match="memory does not run under vmap: write GAE"):
            GAE(gamma=0.9, lmbda=0.8, value_network=valuing)(data)
        with pytest.raises(GlulamError, match="in recurrent mode the last batch dim is time; the TensorDict has no"):
            acting(data[0, 0])


def test_the_loop_that_the_page_shows():
    text = (Path(__file__).parents[3] / "docs" / "torchrl.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    names = {}
    exec(code.replace("total_frames=100 * 1024", "total_frames=2 * 1024"), names)  # noqa: S102 - the page's own code
    assert names["losses"]["loss_critic"].isfinite()


def test_torchrl_is_not_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchrl", None)
    monkeypatch.setitem(sys.modules, "torchrl.data", None)
    monkeypatch.delitem(sys.modules, "glulam.interop.torchrl")
    with pytest.raises(GlulamError, match="glulam.interop.torchrl needs TorchRL .*: pip install 'torchrl"):
        importlib.import_module("glulam.interop.torchrl")


def test_core_leaves_torchrl_alone():
    code = "import sys, glulam, glulam.interop; assert 'torchrl' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_modules_are_torchrls_own(lstm):
    assert isinstance(critic(lstm), TensorDictModuleBase)
    assert isinstance(actor(lstm), nn.Module)
