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

    def run(*arguments, **variables):
        env = os.environ | {"PYTHONPATH": str(plugins.folder), "OMP_NUM_THREADS": "1", "COLUMNS": "200", **variables}
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
        "code", "severity", "file", "line", "column", "path", "layer", "distribution", "rule", "message", "remedy",
        "evidence",
    }  # fmt: skip


def test_list_knows_names_and_owners(glulam):
    rows = json.loads(glulam("list", "--format", "json").stdout)
    assert {"name": "scale", "distribution": "boards", "version": "1.0", "problem": None} in rows["layers"]
    assert "lstm" in [row["name"] for row in rows["layers"]]
    assert re.search(r"layers +scale +boards +1.0", glulam("list").stdout)


def test_list_marks_what_is_blocked_or_claimed_twice(glulam, plugins):
    plugins.add("planks", {"glulam.layers": {"scale": "X"}})
    rows = json.loads(glulam("list", "--format", "json").stdout)["layers"]
    problems = [(row["distribution"], row["problem"]) for row in rows if row["name"] == "scale"]
    assert problems == [
        ("boards", "claimed twice: write boards:scale"),
        ("planks", "claimed twice: write planks:scale"),
    ]
    rows = json.loads(glulam("list", "--format", "json", GLULAM_BLOCK="planks").stdout)["layers"]
    problems = [(row["distribution"], row["problem"]) for row in rows if row["name"] == "scale"]
    assert problems == [("boards", None), ("planks", "blocked")]


def test_info_tells_fields_defaults_keys_and_shapes(glulam):
    (told,) = json.loads(glulam("info", "scale", "--format", "json").stdout)
    assert (told["kind"], told["distribution"], told["doc"]) == (
        "layer",
        "boards",
        "A factor, the input repeated `times` times.",
    )
    fields = {field["name"]: field for field in told["fields"]}
    assert fields["in_key"]["key"]["shape"] == "in_dim"
    assert (fields["times"]["type"], fields["times"]["default"], fields["times"]["required"]) == ("int", 1, False)
    text = glulam("info", "boards:scale").stdout
    assert re.search(r"in_key +pooled +reads float \[in_dim\]", text)
    assert re.search(r"in_dim +int \| null +null", text)


def test_info_of_policies_losses_commands_and_distributions(glulam):
    assert "fast: the quickest of the reference policies" in glulam("info", "fast").stdout
    assert "from the buffer: float" in " ".join(glulam("info", "ppo").stdout.split())
    (told,) = json.loads(glulam("info", "ppo", "--format", "json").stdout)
    writers = {field["name"]: field["key"]["writer"] for field in told["fields"] if "key" in field}
    assert (writers["old_values_key"], writers["advantages_key"]) == ("policy", "trainer")
    assert "of the next step" in " ".join(glulam("info", "prediction").stdout.split())
    assert "command from glulam-train" in glulam("info", "train").stdout
    whole = json.loads(glulam("info", "boards", "--format", "json").stdout)
    assert {row["name"] for row in whole} == {"shaper", "pool", "first", "scale", "logit_table", "head", "running_sum"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("scael", "GL201 nothing is named 'scael'; write 'scale'"),
        ("xyzzy", "GL201 nothing is named 'xyzzy'; see `glulam list` for all that is installed"),
        (
            "lstm",
            "GL205 layer 'lstm' comes from glulam-memory 0.1.0, which is blocked; take glulam-memory out of",
        ),
    ],
)
def test_info_of_what_is_not_there(glulam, name, words):
    done = glulam("info", name, GLULAM_BLOCK="glulam-memory")
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_explain_shows_pages_of_ours_and_of_plugins(glulam):
    assert glulam("explain", "gl303").stdout.startswith("# GL303: read before written\n")
    assert glulam("explain", "GL601").stdout.startswith("# GL601:")
    assert (
        json.loads(glulam("explain", "GL303", "--format", "json").stdout)["rule"]
        == "a key is written before it is read"
    )
    assert "GL504  a policy starts with an observation shaper" in glulam("explain").stdout
    done = glulam("explain", "GL99")
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no code 'GL99'; see `glulam explain` for all codes" in done.stderr


def test_resolve_prints_a_policy_that_resolves_to_itself(glulam, tmp_path):
    text = glulam("resolve", "latent_attn_tiny", "--env", "mettagrid:forage").stdout
    (tmp_path / "complete.yaml").write_text(text, encoding="utf-8")
    again = glulam("resolve", "complete.yaml", "--env", "mettagrid:forage")
    assert (again.returncode, again.stdout) == (0, text)
    assert "layer: glulam-memory:lstm" in text
    assert "extends" not in text
    assert json.loads(glulam("resolve", "fast", "--format", "json").stdout)["name"] == "fast"


def test_advice_is_printed_and_fails_only_when_asked_to(glulam, tmp_path):
    text = "glulam: 1\nextends: fast\nset: {memory.bias_init: 1.0, memory.skip: false}\n"
    (tmp_path / "old.yaml").write_text(text, encoding="utf-8")
    done = glulam("check", "old.yaml")
    assert done.returncode == 0
    assert "old.yaml:3:25: GL601 advice: gates start half saturated (bias_init 1)" in done.stderr
    assert "no faults" in done.stdout
    strict = glulam("check", "old.yaml", "--strict", "--format", "json")
    report = json.loads(strict.stdout)
    assert (strict.returncode, report["ok"]) == (1, False)
    assert [(fault["code"], fault["severity"]) for fault in report["faults"]] == [("GL601", "advice")]
    assert json.loads(glulam("check", "old.yaml", "--format", "json").stdout)["ok"] is True


def test_registry_check_tells_what_is_wrong(glulam, tmp_path):
    row = '[distributions.boards]\nsummary = "x"\nsource = "boards"\nversions = ["1.0"]\nlayers = ["scale"]\n'
    (tmp_path / "index.toml").write_text(row, encoding="utf-8")
    done = glulam("registry", "check", "index.toml")
    assert done.returncode == 1
    assert "index.toml: boards: its layers lack 'pool', which version 1.0 offers" in done.stderr
    report = json.loads(glulam("registry", "check", "index.toml", "--format", "json").stdout)
    assert (report["ok"], len(report["problems"])) == (False, 6)
    assert glulam("registry", "check").returncode == 0


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


ODD = """
import attrs
import glulam


@attrs.frozen
class Demanding(glulam.PolicyConfig):
    width: int
    name: str = "demanding"

    def build_policy(self, resolved):
        raise AssertionError


class Worlds:
    @staticmethod
    def spec(task):
        print("look at me")
        raise SystemExit(0) if task == "exit" else ValueError(f"no {task}")

    @staticmethod
    def make(task, *, num_envs, seed):
        raise AssertionError


@glulam.hookimpl
def glulam_explanations():
    return "no pages"
"""


@pytest.fixture
def odd(glulam, plugins):
    """Run `glulam ...` beside a plug-in whose policy, environment and hook do not do what they should."""
    module = plugins.add("odd", {}, ODD)
    info = plugins.folder / "odd-1.0.dist-info" / "entry_points.txt"
    info.write_text(
        f"[glulam.policies]\ndemanding = {module}:Demanding\nlost = {module}:lost.yaml\n"
        f"[glulam.environments]\nodd = {module}:Worlds\n[glulam.hooks]\nodd = {module}\n"
    )
    return glulam


@pytest.mark.parametrize(
    ("arguments", "returncode", "words"),
    [
        (("check", "demanding"), 1, "GL103 Demanding() raised TypeError"),
        (("check", "demanding"), 1, "name its fields in a file: 'policy: demanding' and 'config: {...}'"),
        (("info", "lost"), 1, "GL203 odd:lost (version 1.0) does not import: its package"),
        (("check", "fast", "--env", "odd:exit"), 1, "GL203 environment 'odd': its spec('exit') raised SystemExit: 0"),
        (
            ("check", "fast", "--env", "odd:maze"),
            1,
            "GL203 environment 'odd': its spec('maze') raised ValueError: no maze",
        ),
        (("check", "fast", "--env", "nowhere.yaml"), 1, "nowhere.yaml: GL107 cannot read"),
        (("explain", "GL777"), 1, "left out: odd:odd gave no pages by code"),
        (("chek", "fast"), 2, "try: write 'check'"),
        (("doctor", "--limit", "nan"), 2, "nan"),
        (("doctor", "--limit", "1e9"), 2, "0.01<=x<=3600"),
        (("schema", "-o", "."), 2, "is a directory"),
    ],
)
def test_odd_words_and_odd_plugins_are_told_without_traceback(odd, arguments, returncode, words):
    done = odd(*arguments)
    assert done.returncode == returncode, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert "look at me" not in done.stdout


def test_json_of_a_broken_environment_is_json_and_has_the_policys_own_faults(odd, tmp_path):
    (tmp_path / "bad.yaml").write_text("glulam: 1\nextends: fast\nset: {memory.hidden_size: much}\n", encoding="utf-8")
    report = json.loads(odd("check", "bad.yaml", "--env", "odd:exit", "--format", "json").stdout)
    assert [fault["code"] for fault in report["faults"]] == ["GL104", "GL203"]


@pytest.mark.parametrize("seconds", ["1e10", "-1", "soon"])
def test_a_time_limit_that_is_none_is_refused(glulam, seconds):
    done = glulam("check", "fast", GLULAM_IMPORT_SECONDS=seconds)
    assert done.returncode == 1
    assert (
        f"error: GLULAM_IMPORT_SECONDS is '{seconds}'; write a positive number of seconds, at most 86,400"
        in done.stderr
    )


def test_it_is_a_module_too():
    done = subprocess.run([sys.executable, "-m", "glulam", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("glulam, version ")


def test_a_loss_is_told_with_its_fields(glulam):
    done = glulam("check", "latent_attn_small", "--loss", "ppo", "--loss", "{loss: kickstart, teacher: t.safetensors}")
    assert (done.returncode, done.stderr) == (0, "")
    for text in ("{loss: kickstart", "{loss: a: b}"):
        done = glulam("show", "latent_attn_small", "--loss", text)
        assert done.returncode == 2
        assert f"--loss': {text!r} cannot be read; write a name, or '{{loss: NAME, field: value}}'" in done.stderr
