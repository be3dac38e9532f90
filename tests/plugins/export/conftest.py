"""Policies to export, and what they do over some steps, computed as training computes it."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from tensordict import TensorDict

import glulam
from glulam_export.examples import draw_inputs
from glulam_export.step import StepFunction

PAGE = Path(__file__).parents[3] / "docs" / "export.md"
STEPS = 4


def consumers():
    """The code that the page shows for use without glulam, by what it imports."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return {name: next(text for text in blocks if f"import {name}\n" in text) for name in ("torch", "onnxruntime")}


def shaken(policy):
    """Give a policy weights far from the start, where all actions would be about as likely."""
    torch.manual_seed(7)
    with torch.no_grad():
        for weight in policy.parameters():
            weight.add_(0.03 * torch.randn_like(weight))
    return policy


@pytest.fixture(scope="session")
def forage():
    pytest.importorskip("mettagrid", reason="mettagrid has no wheel for this machine")
    return glulam.environment_spec("mettagrid:forage")


@pytest.fixture
def reference(forage):
    """Return a function: a reference policy's name to it, in mettagrid:forage."""

    def make(name):
        torch.manual_seed(0)
        return shaken(glulam.build(name, forage))

    return make


def small(actions, optional_inputs=(), layers=()):
    """A policy with memory in a world of six numbers, for actions of any kind."""
    heads = {"discrete": "action", "multi-discrete": "multi_discrete", "continuous": "gaussian"}
    reads = {"continuous": {"in_key": "means"}}.get(actions.kind, {"in_key": "logits"})
    env = glulam.EnvSpec(
        name="numbers", box=glulam.BoxLayout(shape=(6,)), actions=actions, optional_inputs=optional_inputs
    )
    mapping = {
        "glulam": 1,
        "name": "small",
        "obs_shaper": {"layer": "vector_shaper", "in_key": "env_obs", "out_key": "vector"},
        "layers": [
            *layers,
            {"layer": "gru", "name": "memory", "in_key": "vector", "out_key": "core", "hidden_size": 8},
            {"layer": "value_head", "in_key": "core", "out_key": "values", "hidden_size": 8},
            {"layer": "linear_actor", "in_key": "core", "out_key": reads["in_key"]},
        ],
        "action_head": {"layer": f"{heads[actions.kind]}_distribution", **reads},
    }
    torch.manual_seed(0)
    return shaken(glulam.build(mapping, env))


@pytest.fixture
def tiny():
    """A policy with memory that chooses one of three actions."""
    return small(glulam.ActionSpec(names=("stay", "left", "right")))


def play(policy, rows, seed=0):
    """Return inputs and outputs of some steps by name, `[rows, STEPS, ...]`, and the memory behind the last.

    Computed by `unroll` over whole segments, which is how training does it; the likeliest action has the largest
    log-probability.
    """
    generator = torch.Generator().manual_seed(seed)
    step = StepFunction(policy)
    drawn = [draw_inputs(step, rows, generator) for _ in range(STEPS)]
    inputs = {key: torch.stack([one[key] for one in drawn], 1) for key in drawn[0]}
    ends = torch.zeros(rows, STEPS, dtype=torch.bool)
    td = TensorDict({"dones": ends, "truncateds": ends} | inputs, batch_size=[rows, STEPS])
    td["actions"] = torch.zeros(rows, STEPS, dtype=torch.int64)
    with torch.no_grad():
        td["actions"] = policy.evaluate(td)["full_log_probs"].argmax(-1)
        scored, after = policy.unroll(td)
    outputs = {key: scored[key] for key in ("values", "logits", "act_log_prob", "entropy", "full_log_probs")}
    outputs["actions"] = td["actions"]
    memory = {name: after[tuple(name.split(".", 2)[1:])] for name in step.memory}
    return inputs, outputs, memory


def save_play(path, policy, batches):
    """Write what a policy does in batches of some sizes, as plain arrays."""
    arrays = {}
    for rows in batches:
        for kind, values in zip(("inputs", "outputs", "memory"), play(policy, rows, seed=rows), strict=True):
            arrays |= {f"{rows}/{kind}/{name}": value.numpy() for name, value in values.items()}
    np.savez(path, **arrays)
