"""The command line as users meet it: real processes, exit codes, messages, and nothing half-written."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.core.conftest import POLICY


@pytest.fixture
def glulam(plugins, registry, tmp_path):
    """Run `glulam ...` in an empty folder, with the plain layers of `boards` installed beside the real ones."""

    def run(*arguments):
        env = os.environ | {"PYTHONPATH": str(plugins.folder), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
        command = [sys.executable, "-c", "from glulam.cli import main; main()", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env, check=False)

    return run


def test_check_of_a_good_policy(glulam, policy_file):
    done = glulam("check", policy_file())
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{policy_file()}: no faults (6 layers)\n", "")
    assert json.loads(glulam("check", policy_file(), "--format", "json").stdout)["ok"] is True


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("in_key: pooled", "in_key: poled", ":6:28: GL304 reads 'poled', which nothing writes"),
        ("layer: scale", "layer: scael", ":6:13: GL201 unknown layer 'scael'"),
        ("layer: scale", "layer: latent_atention", "write 'latent_attention'"),
    ],
)
def test_check_of_a_broken_policy_names_the_place_without_torch_or_traceback(glulam, policy_file, old, new, words):
    path = policy_file(POLICY.replace(old, new))
    done = glulam("check", path)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    report = json.loads(glulam("check", path, "--format", "json").stdout)
    assert report["ok"] is False
    assert set(report["faults"][0]) == {
        "code", "severity", "line", "column", "path", "layer", "distribution", "message", "remedy",
    }  # fmt: skip


def test_list_knows_names_and_owners(glulam):
    rows = json.loads(glulam("list", "--format", "json").stdout)
    assert {"name": "scale", "distribution": "boards", "version": "1.0"} in rows["layers"]
    assert "lstm" in [row["name"] for row in rows["layers"]]
    assert re.search(r"layers +scale +boards +1.0", glulam("list").stdout)


def test_usage_errors_exit_with_2(glulam):
    assert glulam("check").returncode == 2
    unknown = glulam("chekc")
    assert unknown.returncode == 2
    assert "unknown command 'chekc'" in unknown.stderr


CASES = {
    "no such family": (("--env", "nowhere:maze"), "unknown environment 'nowhere'"),
    "no such task": (("--env", "mettagrid:forge"), "unknown mettagrid task 'forge'"),
    "not a URI": (("--env", "forage"), "'forage' is no environment: write FAMILY:TASK"),
    "even view": (("--env", "mettagrid:forage?view=10"), "must be odd and from 3 to 15, so take 9 or 11"),
    "no steps": (("--env", "mettagrid:forage", "--steps", "0"), "steps is 0"),
    "unwritable": (("--env", "mettagrid:forage", "--out", "/proc/run"), "cannot write to the folder /proc/run"),
    "unknown setting": (("--env", "mettagrid:forage", "--set", "learning_rat=1"), "learning_rate"),
}


@pytest.mark.parametrize("case", CASES)
def test_training_refuses_at_once_and_leaves_nothing(glulam, tmp_path, case):
    pytest.importorskip("mettagrid", reason="has wheels for some machines only")
    options, words = CASES[case]
    out = () if "--out" in options else ("--out", tmp_path / "run")
    steps = () if "--steps" in options else ("--steps", 64)
    done = glulam("train", "fast", *steps, *out, *options)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_cut_in_half_is_refused(glulam, tmp_path, policy_file, registry, env):
    from glulam import build, save

    path = tmp_path / "policy.safetensors"
    save(build(policy_file(), env, registry=registry), path)
    whole = glulam("inspect", path)
    assert whole.returncode == 0
    assert "policy       beam (1 values, float32)" in whole.stdout
    assert "saved with   boards 1.0" in whole.stdout
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for command in (("inspect", path), ("eval", path, "--env", "mettagrid:forage")):
        done = glulam(*command)
        assert done.returncode == 1
        assert f"error: {path} is cut off or no checkpoint" in done.stderr
        assert "Traceback" not in done.stderr
