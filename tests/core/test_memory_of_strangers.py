"""Memory layers as strangers write them, in a policy that acts and one that scores."""

import copy

import numpy as np
import pytest
import torch
from tensordict import TensorDict

import glulam
from glulam import GlulamError, build
from tests.core.test_policy import random_obs, step_of


class Delay(glulam.MemoryLayer):
    """What came two steps before: its state after a step is a part of that before it, and its output is another."""

    def __init__(self, width):
        super().__init__()
        self.width = width

    def state_spec(self):
        return {name: glulam.TensorSpec((self.width,), "float") for name in ("last", "before")}

    def step(self, x, state):
        return state["before"], {"last": x, "before": state["last"]}


class Counter(glulam.MemoryLayer):
    """Adds the number of steps, which has a dtype of its own."""

    def state_spec(self):
        return {"steps": glulam.TensorSpec((), "float32")}

    def step(self, x, state):
        return x + state["steps"][:, None].to(x.dtype), {"steps": state["steps"] + 1}


class Gated(Delay):
    def step(self, x, state, gate=None):
        del gate
        return super().step(x, state)


@glulam.layer
class DelayConfig(glulam.LayerConfig):
    in_key: str = glulam.reads("scaled", shape="in_dim")
    out_key: str = glulam.writes("summed", shape="in_dim")
    in_dim: int | None = None

    def build(self):
        return Delay(self.in_dim)


@glulam.layer
class CounterConfig(DelayConfig):
    def build(self):
        return Counter()


@glulam.layer
class GatedConfig(glulam.LayerConfig):
    in_key: str = glulam.reads("scaled", shape="in_dim")
    gate_key: str = glulam.reads("pooled", shape="D")
    out_key: str = glulam.writes("summed", shape="in_dim")
    in_dim: int | None = None

    def build(self):
        return Gated(self.in_dim)


@pytest.fixture
def with_memory(policy_file, registry, env, plugins):
    """Build the policy with another memory in place of its running sum."""
    source = "from tests.core.test_memory_of_strangers import *"
    names = {"delay": "DelayConfig", "counter": "CounterConfig", "gated": "GatedConfig"}

    def make(name):
        plugins.add("strangers", {"glulam.layers": names}, source)
        text = policy_file().read_text().replace("layer: running_sum", f"layer: {name}")
        return build(policy_file(text), env, registry=plugins.registry, keep=["scaled", "summed"])

    return make


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("ids", [[0, 1, 2], [2, 0, 1], [4, 0, 2]])
def test_what_a_layer_hands_on_stays_as_it_was(with_memory, grad, ids):
    policy, obs = with_memory("delay"), random_obs(5, 3)
    with torch.set_grad_enabled(grad):
        played = [policy(step_of(rows, env_id=torch.tensor(ids))) for rows in obs]
    scaled = torch.stack([td["scaled"] for td in played])
    wanted = torch.cat([torch.zeros_like(scaled[:2]), scaled[:-2]])
    torch.testing.assert_close(torch.stack([td["summed"] for td in played]), wanted)


def test_inference_mode_is_a_mode_like_others(with_memory):
    policy, obs = with_memory("delay"), random_obs(4, 2)
    with torch.inference_mode():
        first = policy(step_of(obs[0]))["scaled"].clone()
    with torch.no_grad():
        policy(step_of(obs[1]))
    with torch.inference_mode():
        policy.reserve(9)
        found = policy(step_of(obs[2]))["summed"]
        torch.testing.assert_close(found, first)
    with torch.no_grad():
        policy(step_of(obs[3]))
    policy.evaluate(step_of(obs[3]), policy.memory_state(torch.arange(2)))["values"].sum().backward()
    weights = dict(policy.named_parameters())
    assert weights
    assert all(weight.grad is not None for weight in weights.values())


def test_ids_made_outside_of_inference_mode_serve_in_it(with_memory):
    policy, obs, ids = with_memory("delay"), random_obs(3, 2), torch.arange(2)
    with torch.inference_mode():
        policy(step_of(obs[0], env_id=ids))
    with torch.no_grad():
        scaled = policy(step_of(obs[1], env_id=ids))["scaled"]
        policy(step_of(obs[2], env_id=ids))
    torch.testing.assert_close(
        policy.memory_state(ids)["memory" if "memory" in policy.layers else "delay", "before"], scaled
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize("used_before", [False, True])
def test_a_state_with_a_dtype_of_its_own_keeps_it(with_memory, dtype, used_before):
    policy = with_memory("counter")
    if used_before:
        policy(step_of(random_obs(2)))
        policy.reset_memory()
    policy.to(dtype)
    td = step_of(random_obs(2))
    with torch.no_grad():
        for _ in range(300):  # bfloat16 counts to 256
            policy(td)
    state = policy.memory_state(torch.arange(2))["counter", "steps"]
    assert (state.dtype, state.tolist()) == (torch.float32, [300, 300])
    assert policy.experience_spec()["counter", "steps"].dtype == "float32"


def test_ids_that_are_changed_behind_torchs_back_are_seen(with_memory):
    policy, numbers = with_memory("counter"), np.arange(2)
    ids = torch.from_numpy(numbers)
    policy(step_of(random_obs(2), env_id=ids))
    numbers[:] = [2, 3]
    policy(step_of(random_obs(2), env_id=ids))
    assert policy.memory_state(torch.arange(5))["counter", "steps"].tolist() == [1, 1, 1, 1, 0]


def test_a_copy_has_a_memory_of_its_own(with_memory):
    policy = with_memory("counter")
    policy(step_of(random_obs(2)))
    other = copy.deepcopy(policy)
    other(step_of(random_obs(2)))
    ids = torch.arange(2)
    found = [each.memory_state(ids)["counter", "steps"].tolist() for each in (policy, other)]
    assert found == [[1, 1], [2, 2]]


def test_a_memory_that_reads_two_keys_is_refused(with_memory):
    message = (
        r"GatedConfig: a memory layer reads one key and writes one; it reads \['scaled', 'pooled'\] and writes "
        r"\['summed'\]: join what is read with 'concat' first"
    )
    with pytest.raises(GlulamError, match=message):
        with_memory("gated")


def of_batch(batch, **changes):
    flags = torch.zeros(batch, dtype=torch.bool)
    ids = torch.zeros(batch, dtype=torch.int64)
    td = {"env_obs": random_obs(*batch), "env_id": ids, "dones": flags, "truncateds": flags, "rewards": flags.float()}
    return TensorDict(td | changes, batch_size=batch)


@pytest.mark.parametrize(
    ("td", "message"),
    [
        (
            of_batch([1, 3]),
            r"policy\(td\) acts on a batch \[B\], and this TensorDict is \[1, 3\]; evaluate takes \[B, T\]",
        ),
        (of_batch([]), r"this TensorDict has the batch \[\]; a policy takes \[B\], or \[B, T\] in evaluate"),
        (of_batch([1], dones=torch.zeros(1, 1, dtype=torch.bool)), r"'dones' has the shape \[1, 1\] in a batch \[1\]"),
        (of_batch([1], env_id=torch.zeros(1)), r"env_id is float32; ids are whole numbers, int64"),
    ],
    ids=["steps", "no rows", "flags", "ids"],
)
def test_a_batch_of_another_shape_is_named(with_memory, td, message):
    policy = with_memory("delay")
    with pytest.raises(GlulamError, match=message):
        policy(td)
