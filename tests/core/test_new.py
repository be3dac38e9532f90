"""`glulam new`: what it writes and under which names, what it refuses, and that it leaves nothing half-written."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from glulam.cli._new import _FILES, _TEMPLATE, new

ROOT = Path(__file__).parents[2]
NO_NAME = "is no name of a distribution: letters, digits, and between them '-', '_' and '.'"
GOOGLE = "lint.pydocstyle.convention='google'"
CACHES = {"__pycache__", ".mypy_cache", ".ruff_cache"}


@pytest.fixture
def make(tmp_path):
    """Run `glulam new NAME --into FOLDER` in this process."""

    def run(name, into=tmp_path):
        return CliRunner().invoke(new, [name, "--into", str(into)])

    return run


def made(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def run(*command, cwd, path=()):
    env = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path)), "COLUMNS": "200", "OMP_NUM_THREADS": "1"}
    return subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=cwd, env=env, check=False)


def install(project, site):
    """Make a distribution of a project as an editable installation does: metadata, and the folder on the path."""
    told = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = site / f"{told['name'].replace('-', '_')}-{told['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: {told['name']}\nVersion: {told['version']}\n", encoding="utf-8")
    lines = []
    for group, points in told["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    return [site, project]


class TestWhatIsWritten:
    def test_every_file_under_its_name(self, make, tmp_path):
        assert make("my-layers").exit_code == 0
        assert made(tmp_path) == {
            "my-layers/.github/workflows/test.yml",
            "my-layers/.gitignore",
            "my-layers/README.md",
            "my-layers/my_layers/__init__.py",
            "my-layers/my_layers/configs.py",
            "my-layers/my_layers/gated_linear.py",
            "my-layers/my_layers/py.typed",
            "my-layers/policy.yaml",
            "my-layers/pyproject.toml",
            "my-layers/tests/test_contract.py",
        }

    def test_every_file_of_the_template_is_made(self):
        kept = {str(path.relative_to(_TEMPLATE)) for path in _TEMPLATE.rglob("*") if path.is_file()}
        assert {path for path in kept if not CACHES & set(Path(path).parts)} == set(_FILES)

    @pytest.mark.parametrize(
        ("name", "distribution", "package"),
        [
            ("oak", "oak", "oak"),
            ("my-layers", "my-layers", "my_layers"),
            ("My_Layers", "my-layers", "my_layers"),
            ("a.b--c9", "a-b-c9", "a_b_c9"),
        ],
    )
    def test_names(self, make, tmp_path, name, distribution, package):
        assert make(name).exit_code == 0
        folder = tmp_path / name
        tool = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
        assert tool["project"]["name"] == distribution
        assert tool["project"]["entry-points"] == {
            "glulam.layers": {"gated_linear": f"{package}.configs:GatedLinearConfig"}
        }
        assert tool["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == [package]
        assert (folder / package / "configs.py").exists()
        assert f'contract_tests("{distribution}")' in (folder / "tests/test_contract.py").read_text(encoding="utf-8")
        assert (folder / "README.md").read_text(encoding="utf-8").startswith(f"# {distribution}\n")
        texts = [(folder / path).read_text(encoding="utf-8") for path in made(folder)]
        assert not [text for text in texts if re.search("plugin.name", text)]

    def test_it_declares_what_it_imports_and_what_its_test_needs(self, make, tmp_path):
        make("oak")
        project = tomllib.loads((tmp_path / "oak/pyproject.toml").read_text(encoding="utf-8"))["project"]
        assert project["dependencies"] == ["attrs", "glulam", "torch"]
        assert project["optional-dependencies"] == {"test": ["glulam[testing]"]}

    def test_its_workflow_installs_it_and_runs_its_tests(self, make, tmp_path):
        make("oak")
        flow = yaml.safe_load((tmp_path / "oak/.github/workflows/test.yml").read_text(encoding="utf-8"))
        steps = [step["run"] for step in flow["jobs"]["test"]["steps"] if "run" in step]
        assert steps == ["pip install 'glulam[testing]'", "pip install -e '.[test]'", "pytest"]

    def test_what_to_do_next(self, make, tmp_path):
        assert make("oak").stdout == (
            f"made {tmp_path}/oak: the layer gated_linear, a policy that uses it and a contract test\n\nnext:\n"
            f"  pip install -e '{tmp_path}/oak[test]'\n  pytest {tmp_path}/oak\n"
            f"  glulam check {tmp_path}/oak/policy.yaml\n"
        )

    def test_it_is_made_here_unless_told_otherwise(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        done = CliRunner().invoke(new, ["oak"])
        assert "  pytest oak\n" in done.stdout
        assert (tmp_path / "oak/pyproject.toml").exists()

    @pytest.mark.parametrize("whose", ["the project's", "glulam's"])
    def test_ruff_finds_nothing_by_the_rules(self, make, tmp_path, whose):
        make("z9")
        command = [sys.executable, "-m", "ruff", "check", "--no-cache"]
        if whose == "glulam's":
            ours = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]["lint"]
            ignored = [*ours["ignore"], "INP001"]  # as for our own test folders
            command += ["--select", "ALL", "--ignore", ",".join(ignored), "--config", GOOGLE]
        done = run(*command, ".", cwd=tmp_path / "z9")
        assert (done.returncode, done.stdout) == (0, "All checks passed!\n"), done.stdout + done.stderr

    def test_ruff_would_format_it_as_it_is(self, make, tmp_path):
        make("z9")
        done = run(sys.executable, "-m", "ruff", "format", "--no-cache", "--check", ".", cwd=tmp_path / "z9")
        assert done.returncode == 0, done.stdout + done.stderr

    def test_its_policy_has_no_fault_and_its_config_needs_no_torch(self, make, tmp_path):
        make("my-layers")
        folder = tmp_path / "my-layers"
        path = install(folder, tmp_path / "site")
        code = "import sys\nfrom glulam.cli import main\ntry: main()\nfinally: print('torch' in sys.modules)"
        done = run(sys.executable, "-c", code, "check", "policy.yaml", "--strict", cwd=folder, path=path)
        assert (done.stdout, done.stderr) == ("policy.yaml: no faults (7 layers)\nFalse\n", "")
        done = run(sys.executable, "-c", code, "info", "my-layers:gated_linear", cwd=folder, path=path)
        assert re.search(r"out_dim +int +64 +Width of the output\.", done.stdout), done.stdout

    def test_its_layer_computes_what_it_says(self, make, tmp_path):
        """Oracle: the formula in plain numbers."""
        make("my-layers")
        code = """
import math, torch
from my_layers.configs import GatedLinearConfig

layer = GatedLinearConfig(in_dim=2, out_dim=1).instantiate().module
with torch.no_grad():
    for linear, weight, bias in ((layer.value, [3.0, -1.0], 0.5), (layer.gate, [0.5, 2.0], -1.0)):
        linear.weight.copy_(torch.tensor([weight]))
        linear.bias.fill_(bias)
found = layer(torch.tensor([[[2.0, 0.25]]]))
assert found.shape == (1, 1, 1)
assert math.isclose(found.item(), (3.0 * 2 - 0.25 + 0.5) / (1 + math.exp(-(0.5 * 2 + 2.0 * 0.25 - 1.0))), rel_tol=1e-6)
try: GatedLinearConfig(out_dim=1).instantiate()
except Exception as error: print(type(error).__name__, error)
"""
        done = run(sys.executable, "-c", code, cwd=tmp_path / "my-layers")
        assert done.stdout == "GlulamError gated_linear: in_dim is not known; set it, or resolve the policy\n", (
            done.stderr
        )


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("name", "fault", "remedy"),
        [
            ("my layers", NO_NAME, "my-layers"),
            ("my-layers-", NO_NAME, "my-layers"),
            ("", NO_NAME, "my-layers"),
            ("größe", NO_NAME, "gr-e"),
            ("boards/oak", NO_NAME, "oak --into boards"),
            ("../my boards/oak", NO_NAME, "oak --into '../my boards'"),
            ("3d-layers", "would be imported as 3d_layers, which Python cannot read as a name", "my-3d-layers"),
            ("class", "would be imported as class, which Python cannot read as a name", "class-layers"),
            ("JSON", "would be imported as json, as a module of Python itself is", "json-layers"),
            ("torch", "would be imported as torch, which is something else already", "torch-layers"),
            ("tests", "would be imported as tests, which is something else already", "tests-layers"),
            ("glulam", "begins as glulam's own distributions do", "my-layers"),
            ("glulam-oak", "begins as glulam's own distributions do", "oak"),
            ("Glulam_Json", "begins as glulam's own distributions do", "json-layers"),
        ],
    )
    def test_a_bad_name(self, make, tmp_path, name, fault, remedy):
        done = make(name)
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.endswith(f"Error: {name!r} {fault}; write for instance: glulam new {remedy}\n")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("kind", ["folder", "file", "link"])
    def test_what_is_there_stays_as_it_is(self, make, tmp_path, kind):
        target = tmp_path / "oak"
        {"folder": target.mkdir, "file": target.touch, "link": lambda: target.symlink_to("nowhere")}[kind]()
        done = make("oak")
        assert done.exit_code == 1
        assert str(done.exception) == (
            f"{target} is there already: take another name, or another folder with --into FOLDER"
        )
        assert list(tmp_path.iterdir()) == [target]
        assert not target.is_dir() or list(target.iterdir()) == []

    def test_a_folder_that_is_not_there(self, make, tmp_path):
        done = make("oak", tmp_path / "gone")
        assert done.exit_code == 2
        assert f"Invalid value for '--into': Directory '{tmp_path}/gone' does not exist." in done.stderr
        assert list(tmp_path.iterdir()) == []

    def test_an_error_is_told_without_a_traceback(self, tmp_path):
        (tmp_path / "oak").mkdir()
        done = run(sys.executable, "-c", "from glulam.cli import main; main()", "new", "oak", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == ("error: oak is there already: take another name, or another folder with --into FOLDER\n")


class TestAllOrNothing:
    def test_a_name_that_is_too_long_for_the_disk(self, make, tmp_path):
        done = make("a" * 300)
        assert (done.exit_code, str(done.exception)) == (1, f"cannot make {tmp_path}/{'a' * 300}: File name too long")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("step", ["write_text", "rename"])
    @pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
    def test_a_failure_leaves_nothing(self, make, tmp_path, monkeypatch, step, error):
        calls = []
        real = getattr(Path, step)

        def fail(path, *args, **kwargs):
            calls.append(path)
            if step == "rename" or len(calls) == 4:
                raise error
            return real(path, *args, **kwargs)

        monkeypatch.setattr(Path, step, fail)
        done = make("oak")
        assert len(calls) == (1 if step == "rename" else 4)
        assert list(tmp_path.iterdir()) == []
        assert done.exit_code == 1
        if isinstance(error, OSError):
            assert str(done.exception) == f"cannot make {tmp_path}/oak: No space left on device"

    def test_the_folder_is_readable_as_any_other(self, make, tmp_path):
        """Where it is written first, nobody else may look."""
        make("oak")
        (tmp_path / "other").mkdir()
        assert (tmp_path / "oak").stat().st_mode == (tmp_path / "other").stat().st_mode
