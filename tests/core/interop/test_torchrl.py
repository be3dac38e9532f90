"""A glulam policy inside TorchRL's own Collector, GAE and ClipPPOLoss; the oracle is glulam's own acting."""

import copy
import importlib
import pickle
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

import glulam
from glulam import GlulamError
from glulam.interop.torchrl import KEYS, actor, critic

with warnings.catch_warnings():  # torchrl warns of its own classes when it is first imported
    warnings.filterwarnings("ignore", "Creating .* which inherits from WeightUpdaterBase", DeprecationWarning)
    from torchrl.collectors import Collector
from torchrl.data import Bounded, Categorical, OneHot
from torchrl.envs import ExplorationType, GymEnv, InitTracker, SerialEnv, StepCounter, TransformedEnv
from torchrl.envs.utils import set_exploration_type
from torchrl.modules import set_recurrent_mode
from torchrl.modules.utils import get_primers_from_module
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

CARTPOLE = glulam.EnvSpec(
    name="CartPole-v1", box=glulam.BoxLayout(shape=(4,)), actions=glulam.ActionSpec(names=("left", "right"))
)
MASKED = glulam.EnvSpec(
    name="three",
    box=glulam.BoxLayout(shape=(4,)),
    actions=glulam.ActionSpec(names=("a", "b", "c")),
    optional_inputs=("action_mask",),
)
MEMORIES = {
    "lstm": [{"layer": "lstm", "name": "core", "in_key": "encoded", "hidden_size": 8, "num_layers": 2}],
    "attention": [{"layer": "sliding_attention", "name": "core", "in_key": "encoded", "hidden_size": 8, "window": 5}],
    "none": [{"layer": "linear", "in_key": "encoded", "out_key": "core", "out_dim": 8}],
}
ROWS, STEPS, LIMIT = 3, 80, 20  # an episode ends by its limit, or earlier by the pole's fall


def build(memory="lstm", env=CARTPOLE, **head):
    torch.manual_seed(0)
    layers = [
        {"layer": "mlp", "in_key": "vector", "out_key": "encoded", "hidden_sizes": [8], "out_dim": 8},
        *MEMORIES[memory],
        {"layer": "linear_actor", "in_key": "core", "out_key": "logits", "init_gain": 0.5},
        {"layer": "value_head", "in_key": "core", "out_key": "values", "hidden_size": 8},
    ]
    return glulam.build(
        {
            "glulam": 1,
            "name": "small",
            "obs_shaper": {"layer": "vector_shaper", "in_key": "env_obs", "out_key": "vector"},
            "layers": layers,
            "action_head": {"layer": "action_distribution", "in_key": "logits", **head},
        },
        env,
    )


def world(acting, rows=ROWS, **gym):
    env = TransformedEnv(SerialEnv(rows, lambda: GymEnv("CartPole-v1", **gym)), InitTracker())
    env.append_transform(acting.make_tensordict_primer())
    env.append_transform(StepCounter(LIMIT))
    env.set_seed(1)
    return env


def collect(acting, **gym):
    collector = Collector(world(acting, **gym), acting, frames_per_batch=ROWS * STEPS, total_frames=ROWS * STEPS)
    (data,) = collector
    collector.shutdown()
    return data


@pytest.fixture(scope="module", params=["lstm", "attention"])
def policy(request):
    return build(request.param)


@pytest.fixture
def lstm():
    return build()


@pytest.fixture(scope="module")
def collected(policy):
    """A batch `[ROWS, STEPS]` with ends of both kinds inside, which is what the tests below are about."""
    found = collect(actor(policy))
    inside = found["next"][:, :-1]
    assert inside["truncated"].sum() >= ROWS
    assert (inside["terminated"] & ~inside["truncated"]).sum() >= 1
    return found


@pytest.fixture
def data(collected):
    return collected.clone()


@pytest.fixture(scope="module")
def played(policy, collected):
    """What glulam's own rollout memory makes of the same steps: log-probs, values `[ROWS, STEPS]`."""
    none = torch.zeros(ROWS, dtype=torch.bool)
    results = []
    for t in range(STEPS):
        step = collected[:, t]
        td = TensorDict({"env_obs": step["observation"], "dones": step["is_init"][:, 0], "truncateds": none}, [ROWS])
        results.append(policy.follow(td.update({"env_id": torch.arange(ROWS), "actions": step["action"].argmax(-1)})))
    return torch.stack(results, 1).detach()


@pytest.fixture(scope="module")
def after(policy, collected):
    """The value of each next observation, `[ROWS, STEPS]`, from the state that its step left."""
    none = torch.zeros(ROWS, dtype=torch.bool)
    state, values = None, []
    for t in range(STEPS):
        step = collected[:, t]
        td = TensorDict({"env_obs": step["observation"], "dones": step["is_init"][:, 0], "truncateds": none}, [ROWS])
        _, state = policy.unroll(td, state)
        last = TensorDict({"env_obs": step["next", "observation"], "dones": none, "truncateds": none}, [ROWS])
        values.append(policy.evaluate(last, state)["values"])
    return torch.stack(values, 1).detach()


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


# --- the law: the same weights and data give the same numbers


def test_a_collector_records_what_glulam_does(data, played):
    close(data["action_log_prob"], played["act_log_prob"])
    close(data["logits"], played["full_log_probs"])


def test_a_sequence_gives_what_was_acted(policy, data, played):
    with set_recurrent_mode(True):
        dist = actor(policy).get_dist(data.copy())
        values = critic(policy)(data.copy())["state_value"]
    ratio = (dist.log_prob(data["action"]) - data["action_log_prob"]).exp()
    assert (ratio - 1).abs().max() <= 1e-5
    close(dist.entropy(), -(played["full_log_probs"].exp() * played["full_log_probs"]).sum(-1))
    close(values.squeeze(-1), played["values"])


@pytest.mark.parametrize("options", [{"deactivate_vmap": True}, {"shifted": True, "shifted_budget": STEPS}])
@pytest.mark.parametrize("cut", ["none", "within the first episode", "behind the first step of an episode"])
def test_the_values_in_an_advantage(policy, data, played, after, options, cut):
    second = int(data["is_init"][0, 1:, 0].nonzero()[0]) + 1
    data = data[:, : {"none": STEPS, "within the first episode": 5}.get(cut, second + 1)]
    assert data["is_init"][:, 0].all()
    steps = data.shape[1]
    with set_recurrent_mode(True):
        GAE(gamma=0.9, lmbda=0.8, value_network=critic(policy), **options)(data)
    close(data["state_value"].squeeze(-1), played["values"][:, :steps])
    advantage, expected = torch.zeros(ROWS), torch.zeros(ROWS, steps)
    reward, done, terminated = (data["next", key].squeeze(-1) for key in ("reward", "done", "terminated"))
    for t in reversed(range(steps)):
        delta = reward[:, t] + 0.9 * after[:, t] * ~terminated[:, t] - played["values"][:, t]
        advantage = delta + 0.9 * 0.8 * advantage * ~done[:, t]
        expected[:, t] = advantage
    torch.testing.assert_close(data["advantage"].squeeze(-1), expected, rtol=1e-5, atol=1e-5)


def test_steps_are_values_too(policy, data, played):
    close(critic(policy)(data.reshape(-1))["state_value"].reshape(ROWS, STEPS), played["values"])


def test_segments_may_begin_anywhere(policy, data):
    with set_recurrent_mode(True):
        whole = actor(policy).get_dist(data.copy()).logits
        part = actor(policy).get_dist(data[1:, 7:23].copy()).logits
        row = actor(policy).get_dist(data[2].copy()).logits
        many = actor(policy).get_dist(data[None, :, None].copy()).logits
    close(part, whole[1:, 7:23])
    close(row, whole[2])
    close(many, whole[None, :, None])


def test_a_loss_reaches_every_parameter(policy, data):
    policy.zero_grad()
    loss = ClipPPOLoss(actor(policy), critic(policy))
    assert set(loss.parameters()) == set(policy.parameters())
    with set_recurrent_mode(True):
        GAE(gamma=0.9, lmbda=0.8, value_network=critic(policy), deactivate_vmap=True)(data)
    losses = loss(data)
    assert losses["clip_fraction"] == 0
    assert abs(losses["kl_approx"]) <= 1e-6
    (losses["loss_objective"] + losses["loss_critic"] + losses["loss_entropy"]).backward()
    for name, parameter in policy.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any() or name.endswith("bias"), name  # a bias of attention's keys shifts nothing


def test_a_loss_can_compute_its_own_advantage(policy, data):
    loss = ClipPPOLoss(actor(policy), critic(policy))
    loss.make_value_estimator(gamma=0.9, lmbda=0.8, deactivate_vmap=True)
    assert loss(data)["loss_objective"].isfinite()


# --- memory in the TensorDict


def test_rollout_memory_of_glulam_is_left_alone(lstm):
    data = collect(actor(lstm))
    td = TensorDict({"env_obs": torch.ones(2, 4), "env_id": torch.arange(2)}, [2])
    lstm(td.update({"dones": torch.zeros(2, dtype=torch.bool), "truncateds": torch.zeros(2, dtype=torch.bool)}))
    before = lstm.memory_state(td["env_id"])
    loss = ClipPPOLoss(actor(lstm), critic(lstm))
    lstm.reserve(5)
    with set_recurrent_mode(True):
        GAE(gamma=0.9, lmbda=0.8, value_network=critic(lstm), deactivate_vmap=True)(data)
    loss(data)
    assert before["core", "h"].any()
    assert (lstm.memory_state(td["env_id"]) == before).all()


def test_the_primer_carries_the_memory(lstm):
    acting = actor(lstm)
    primer = acting.make_tensordict_primer()
    assert {key: tuple(spec.shape) for key, spec in primer.primers.items(True, True)} == {
        ("glulam", "core", "h"): (2, 8),
        ("glulam", "core", "c"): (2, 8),
    }
    td = world(acting).reset()
    assert td["glulam", "core", "h"].shape == (ROWS, 2, 8)
    assert not td["glulam", "core", "h"].any()
    assert get_primers_from_module(acting).primers == primer.primers


def test_a_start_forgets_what_is_stored(lstm):
    acting = actor(lstm)
    td = world(acting).reset()
    fresh = acting(td.clone())
    stale = td.clone()
    stale["glulam", "core", "h"] += 1
    stale["is_init"][0] = False
    acting(stale)
    assert not stale["glulam", "core", "h"][1:].any()  # so that a replay starts from the same
    assert stale["glulam", "core", "h"][0].all()
    close(stale["logits"][1:], fresh["logits"][1:])
    close(stale["next", "glulam", "core", "c"][1:], fresh["next", "glulam", "core", "c"][1:])
    assert (stale["logits"][0] != fresh["logits"][0]).all()


def test_without_a_batch_dim():
    policy = build()
    acting = actor(policy)
    env = TransformedEnv(GymEnv("CartPole-v1"), InitTracker())
    env.append_transform(acting.make_tensordict_primer())
    env.set_seed(1)
    data = env.rollout(5, acting)
    with set_recurrent_mode(True):
        close(acting.get_dist(data.copy()).logits, data["logits"])


def test_copies_and_pickles(lstm):
    acting = actor(lstm)
    td = world(acting).reset()
    with set_exploration_type(ExplorationType.DETERMINISTIC):
        expected = acting(td.clone())
        for other in (copy.deepcopy(acting), pickle.loads(pickle.dumps(acting))):  # noqa: S301 - our own bytes
            assert (other(td.clone()) == expected).all()


def test_no_memory_needs_none_of_it():
    policy = build("none")
    acting, valuing = actor(policy), critic(policy)
    assert acting.in_keys == valuing.in_keys == ["observation"]
    assert "glulam" not in world(acting).reset()
    data = collect(acting)
    GAE(gamma=0.9, lmbda=0.8, value_network=valuing)(data)
    dist = acting.get_dist(data.copy())
    close(dist.log_prob(data["action"]), data["action_log_prob"])
    assert data["state_value"].shape == (ROWS, STEPS, 1)
    assert ClipPPOLoss(acting, valuing)(data)["loss_critic"] > 0


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
        close(acting.get_dist_params(data.copy())["logits"], dist.logits)
    close(dist.log_prob(data["action"]), data["action_log_prob"])
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
    close(td["v"], critic(lstm)(plain)["state_value"])
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
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_modules_are_torchrls_own(lstm):
    assert isinstance(critic(lstm), TensorDictModuleBase)
    assert isinstance(actor(lstm), nn.Module)
