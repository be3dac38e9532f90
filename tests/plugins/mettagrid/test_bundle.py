"""`glulam export --to mettagrid`: mettagrid's own loader and runner play what was written."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

import glulam
from glulam import GlulamError

if find_spec("mettagrid") is None:
    pytest.skip("mettagrid has no wheel for this machine", allow_module_level=True)

from mettagrid.policy.loader import initialize_or_load_policy
from mettagrid.policy.prepare_policy_spec import load_policy_spec_from_path

from glulam_mettagrid import bundle
from glulam_mettagrid.exporters import to_mettagrid
from glulam_train.evaluation import evaluate_policy
from tests.plugins.mettagrid.test_agent import AGENTS, policy_of

# The page's own lines, in a process that has imported nothing before, with the map that `glulam eval` plays.
PLAY = """
from tests.plugins.mettagrid.test_agent import episode_config

config, seed = episode_config({seed})
{page}
print(json.dumps({{"rewards": results.rewards, "puffer": "pufferlib" in sys.modules}}))
"""
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def policy():
    return policy_of()


@pytest.fixture(scope="module")
def written(policy, tmp_path_factory):
    out = tmp_path_factory.mktemp("bundle") / "agent"
    assert to_mettagrid(policy, out, greedy=True, seed=3) == [out]
    return out


def test_what_is_in_it(written):
    assert sorted(path.name for path in written.iterdir()) == ["checkpoint.safetensors", "policy_spec.json"]
    assert json.loads((written / "policy_spec.json").read_text(encoding="utf-8")) == {
        "class_path": "glulam_mettagrid.agent.GlulamPolicy",
        "data_path": "checkpoint.safetensors",
        "init_kwargs": {"device": "cpu", "greedy": True, "seed": 3},
    }
    assert [path.name for path in written.parent.iterdir()] == ["agent"]


def test_the_runner_earns_what_eval_does(written, policy):
    """Oracle: `glulam eval` on the same map, seed and agents."""
    text = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    (page,) = [part.split("```")[0] for part in text.split("```python\n") if "run_episode_local" in part]
    code = "import json, sys\n" + PLAY.format(seed=5, page=page.replace("seed=7", "seed=seed"))
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"],
        cwd=written.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    played = json.loads(done.stdout.splitlines()[-1])
    assert played["puffer"] is False
    report = evaluate_policy(policy, "mettagrid:forage", AGENTS, 5, greedy=True)
    assert sum(played["rewards"]) / AGENTS == pytest.approx(report["return_mean"], abs=1e-6)


def test_a_zip_file_is_loaded_too(policy, tmp_path):
    out = tmp_path / "agent.zip"
    assert to_mettagrid(policy, out) == [out]
    assert sorted(zipfile.ZipFile(out).namelist()) == ["checkpoint.safetensors", "policy_spec.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["agent.zip"]
    path = sys.path[:]
    spec = load_policy_spec_from_path(out, force_dest=tmp_path / "unpacked")
    sys.path[:] = path
    loaded = initialize_or_load_policy(bundle._interface(policy.env), spec)
    assert spec.init_kwargs == {"device": "cpu", "greedy": False, "seed": None}
    td = bundle._observations(policy.env, 3)
    with torch.no_grad():
        torch.testing.assert_close(loaded.network().evaluate(td)["logits"], policy.evaluate(td)["logits"])


class TestWhereItIsWritten:
    def test_an_older_bundle_is_replaced(self, policy, tmp_path):
        out = tmp_path / "agent"
        to_mettagrid(policy, out, greedy=True)
        (out / "notes.txt").touch()
        to_mettagrid(policy, out, greedy=False)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["agent"]
        assert sorted(path.name for path in out.iterdir()) == ["checkpoint.safetensors", "policy_spec.json"]
        assert json.loads((out / "policy_spec.json").read_text(encoding="utf-8"))["init_kwargs"]["greedy"] is False

    def test_an_older_bundle_is_there_where_the_new_one_cannot_take_its_place(self, policy, tmp_path, monkeypatch):
        out = tmp_path / "agent"
        to_mettagrid(policy, out)
        before = {path.name: path.read_bytes() for path in out.iterdir()}
        rename = Path.rename

        def failing(self, target):
            if self.name.endswith(".part"):
                raise OSError(5, "Input/output error")
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", failing)
        with pytest.raises(GlulamError, match="cannot write .*agent: Input/output error"):
            to_mettagrid(policy, out, greedy=True)
        assert [path.name for path in tmp_path.iterdir()] == ["agent"]
        assert {path.name: path.read_bytes() for path in out.iterdir()} == before

    def test_another_folder_is_left_alone(self, policy, tmp_path):
        (tmp_path / "thesis").mkdir()
        (tmp_path / "thesis" / "chapter").touch()
        with pytest.raises(GlulamError, match="thesis is there already, and is no bundle: name another"):
            to_mettagrid(policy, tmp_path / "thesis")
        assert (tmp_path / "thesis" / "chapter").exists()

    def test_a_place_that_is_not_there(self, policy, tmp_path):
        with pytest.raises(GlulamError, match="cannot write .*none/agent: No such file or directory"):
            to_mettagrid(policy, tmp_path / "none" / "agent")

    def test_nothing_is_left_of_a_bundle_that_plays_otherwise(self, policy, tmp_path, monkeypatch):
        save = glulam.save

        def spoilt(policy, path):
            other = policy_of()
            with torch.no_grad():
                next(iter(other.layers["critic"].parameters())).mul_(1.1)
            save(other, path)

        monkeypatch.setattr(bundle.glulam, "save", spoilt)
        with pytest.raises(
            GlulamError, match="bundle of policy 'latent_attn_tiny': 'values' differs from the policy's"
        ):
            to_mettagrid(policy, tmp_path / "agent")
        assert list(tmp_path.iterdir()) == []


class TestWhatIsRefused:
    def test_a_policy_that_reads_what_the_runner_does_not_tell(self, tmp_path):
        mapping = glulam.resolve("fast").to_mapping()
        mapping["layers"].insert(0, {"layer": "previous_action", "out_key": "previous"})
        policy = glulam.build(mapping, "mettagrid:forage")
        with pytest.raises(
            GlulamError, match="policy 'fast' reads last_rewards, which mettagrid's runner does not tell"
        ):
            to_mettagrid(policy, tmp_path / "agent")

    def test_another_kind_of_world(self, policy, tmp_path):
        env = glulam.EnvSpec(
            name="numbers", box=glulam.BoxLayout(shape=(6,)), actions=glulam.ActionSpec(names=("a", "b"))
        )
        other = glulam.build("mlp_class", env)
        with pytest.raises(GlulamError, match="environment 'numbers' is none of mettagrid's: name one with --env"):
            to_mettagrid(other, tmp_path / "agent")
        assert list(tmp_path.iterdir()) == []
