"""A stranger's package: a wheel made outside the checkout, installed, named in YAML, trained, uninstalled."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from textwrap import dedent

import pytest

pytest.importorskip("mettagrid", reason="has wheels for some machines only")

PYPROJECT = """
    [build-system]
    requires = ["hatchling"]
    build-backend = "hatchling.build"

    [project]
    name = "oak-layers"
    version = "0.3.0"
    dependencies = ["glulam"]

    [project.entry-points."glulam.layers"]
    oak_gate = "oak_layers.configs:OakGateConfig"

    [project.entry-points."glulam.losses"]
    oak_calm = "oak_layers.configs:OakCalmConfig"
"""

CONFIGS = '''
    """A gate, and a loss that keeps it calm."""

    import attrs
    import glulam


    @glulam.layer
    class OakGateConfig(glulam.LayerConfig):
        """The input times a learned gate between 0 and 1."""

        in_key: str = glulam.reads("encoded", shape="in_dim")
        out_key: str = glulam.writes("gated", shape="in_dim")
        gate_key: str = glulam.writes("gate", shape="in_dim")
        in_dim: int | None = None

        def build(self):
            from oak_layers.gate import OakGate

            return OakGate(self.in_dim)


    @attrs.frozen(kw_only=True)
    class OakCalmConfig(glulam.LossConfig):
        """The mean of the gate, from the middle of the network."""

        gate_key: str = glulam.reads("gate")
        weight: float = 0.1

        def build(self):
            def loss(current, stored):
                mean = current[self.gate_key].mean()
                assert mean.requires_grad, "a key of the current policy carries gradient"
                return self.weight * mean, {"gate": mean.detach()}

            return loss
'''

GATE = '''
    """The gate's module."""

    import torch


    class OakGate(torch.nn.Module):
        def __init__(self, width):
            super().__init__()
            self.linear = torch.nn.Linear(width, width)

        def forward(self, x):
            gate = self.linear(x).sigmoid()
            return x * gate, gate
'''


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """A fresh virtual environment that also sees what this one has installed."""
    folder = tmp_path_factory.mktemp("venv") / "env"
    venv.create(folder, with_pip=False, symlinks=True)
    binary = folder / "bin" / "python"
    site = folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    here = sysconfig.get_path("purelib")
    # addsitedir, not a plain path, so that editable installs (.pth files) are seen too.
    (site / "_outer.pth").write_text(f"import site; site.addsitedir({here!r})\n", encoding="utf-8")
    return binary


def run(*command, cwd=None):
    env = os.environ | {"OMP_NUM_THREADS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=cwd, env=env, check=False)


def glulam(python, *arguments, cwd):
    return run(python, "-c", "from glulam.cli import main; main()", *arguments, cwd=cwd)


def tracked_state():
    root = Path(__file__).parents[2]
    return run("git", "-C", root, "status", "--porcelain").stdout


def test_a_wheel_from_outside_is_trained_and_uninstalled(python, tmp_path):
    before = tracked_state()
    package = tmp_path / "oak" / "oak_layers"
    package.mkdir(parents=True)
    (tmp_path / "oak" / "pyproject.toml").write_text(dedent(PYPROJECT), encoding="utf-8")
    for name, text in {"__init__": '"""Oak."""\n', "configs": CONFIGS, "gate": GATE}.items():
        (package / f"{name}.py").write_text(dedent(text), encoding="utf-8")
    built = run(
        sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path, tmp_path / "oak"
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("oak_layers-0.3.0-*.whl")
    installed = run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel)
    assert installed.returncode == 0, installed.stderr

    policy = tmp_path / "oak.yaml"
    policy.write_text(dedent(POLICY), encoding="utf-8")
    options = ("--env", "mettagrid:forage", "--loss", "ppo", "--loss", "oak_calm")
    checked = glulam(python, "check", policy, *options, cwd=tmp_path)
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stderr

    trained = glulam(
        python, "train", policy, "--env", "mettagrid:forage", "--steps", 512, "--out", tmp_path / "run",
        "--set", "losses=[ppo, oak_calm]", "--set", "num_envs=2", "--set", "horizon=16", cwd=tmp_path,
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    metrics = (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(metrics) == 4
    assert '"oak_calm/gate"' in metrics[0]
    shown = glulam(python, "inspect", tmp_path / "run" / "checkpoint.safetensors", cwd=tmp_path)
    assert "oak-layers 0.3.0" in shown.stdout

    removed = run(sys.executable, "-m", "pip", "--python", python, "uninstall", "-y", "oak-layers")
    assert removed.returncode == 0, removed.stderr
    checked = glulam(python, "check", policy, cwd=tmp_path)
    assert checked.returncode == 1
    assert "GL201 unknown layer 'oak_gate'" in checked.stderr
    loaded = glulam(
        python, "eval", tmp_path / "run" / "checkpoint.safetensors", "--env", "mettagrid:forage", cwd=tmp_path
    )
    assert loaded.returncode == 1
    assert "oak-layers 0.3.0, which is not installed" in loaded.stderr
    assert "Traceback" not in checked.stderr + loaded.stderr
    assert tracked_state() == before


POLICY = """
    glulam: 1
    name: oak
    obs_shaper: {layer: box_shaper}
    layers:
      - {layer: cnn, out_key: view}
      - {layer: mlp, in_key: view, out_key: encoded, out_dim: 32}
      - {layer: oak_gate}
      - {layer: lstm, in_key: gated, out_key: core, hidden_size: 32}
      - {layer: value_head, hidden_size: 32}
      - {layer: action_embedding}
      - {layer: bilinear_actor, hidden_size: 32}
    action_head: {layer: action_distribution}
"""
