"""The five reference policies, exported and played in a process of their own, which has never heard of glulam."""

import json
import subprocess
import sys

import pytest

from glulam_export.exporters import to_onnx, to_torch_export
from tests.plugins.export.conftest import consumers, save_play

NAMES = ("fast", "latent_attn_tiny", "latent_attn_small", "latent_attn_med", "vit_lstm")
BATCHES = (1, 3, 64)

# Behind the page's own `Agents`: plays what steps.npz holds, and prints the largest differences.
PLAY = """
import sys

import numpy as np

as_input = {"torch": lambda array: torch.from_numpy(array.copy()), "onnxruntime": lambda array: array}[sys.argv[2]]
worst = {}


def compare(name, found, wanted):
    found = np.asarray(found)
    assert found.shape == wanted.shape and found.dtype == wanted.dtype, (name, found.shape, wanted.shape)
    allowed = 1e-5 + 1e-5 * np.abs(wanted.astype(float))
    worst[name] = max(worst.get(name, 0), float((np.abs(found.astype(float) - wanted) / allowed).max()))


with np.load("steps.npz") as data:
    for rows in sorted({int(name.split("/")[0]) for name in data}):
        part = {kind: {} for kind in ("inputs", "outputs", "memory")}
        for name in data:
            count, kind, key = name.split("/")
            if int(count) == rows:
                part[kind][key] = data[name]
        agents = Agents(sys.argv[1], rows)
        for t in range(part["outputs"]["actions"].shape[1]):
            found = agents.act(**{key: as_input(value[:, t]) for key, value in part["inputs"].items()})
            for key, value in part["outputs"].items():
                compare(key, found[key], value[:, t])
        for key, value in part["memory"].items():
            compare(key, agents.state[key], value)
strangers = {name for name in sys.modules if name.split(".")[0].startswith("glulam")}
strangers |= {"torch"} & set(sys.modules) if sys.argv[2] == "onnxruntime" else set()
print(json.dumps({"worst": worst, "strangers": sorted(strangers), "names": agents.names}))
"""


def some_policies(*names):
    """Take these policies in `make test`, and all five in `pytest -m evidence`."""
    marks = [name if name in names else pytest.param(name, marks=pytest.mark.evidence) for name in NAMES]
    return pytest.mark.parametrize("name", marks)


def played_alone(consumer, path):
    """Return the largest differences over what is allowed, and which modules should not be there."""
    command = [sys.executable, "-c", consumers()[consumer] + PLAY, path.name, consumer]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check_alone(consumer, path, policy):
    save_play(path.parent / "steps.npz", policy, BATCHES)
    report = played_alone(consumer, path)
    memory = {f"state.memory.{name}" for name in policy.memory_layers()["memory"].state_spec()}
    assert set(report["worst"]) == {
        "values", "logits", "actions", "act_log_prob", "entropy", "full_log_probs", *memory,
    }  # fmt: skip
    assert max(report["worst"].values()) <= 1, report["worst"]
    assert report["strangers"] == []
    assert report["names"] == list(policy.env.actions.names)


@some_policies("fast", "latent_attn_tiny", "vit_lstm")
def test_torch_alone_does_what_the_policy_does(name, reference, tmp_path):
    policy = reference(name)
    path, _ = to_torch_export(policy, tmp_path / "agent.pt2")
    check_alone("torch", path, policy)


@some_policies("latent_attn_tiny")
def test_onnx_runtime_alone_does_what_the_policy_does(name, reference, tmp_path):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"the extra glulam-export[onnx] is not installed: {package}")
    policy = reference(name)
    path, _ = to_onnx(policy, tmp_path / "agent.onnx")
    check_alone("onnxruntime", path, policy)
