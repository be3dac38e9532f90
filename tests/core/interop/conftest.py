"""Policies and worlds for TorchRL's loop, and what glulam itself makes of the steps that it collects."""

import warnings

import pytest
import torch
from tensordict import TensorDict

import glulam
from glulam.interop.torchrl import actor

with warnings.catch_warnings():  # torchrl warns of its own classes when it is first imported
    warnings.filterwarnings("ignore", "Creating .* which inherits from WeightUpdaterBase", DeprecationWarning)
    from torchrl.collectors import Collector
from torchrl.envs import GymEnv, InitTracker, SerialEnv, StepCounter, TransformedEnv

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


def assert_close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
