"""The Makefile against fake interpreters, and what each distribution may know of the others."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
TOOLS = ("cat", "grep", "ls", "mkdir", "rm", "touch")

# Takes its character from files beside it: python3.12.unsuitable, python3.12.bare.
FAKE_PYTHON = r"""#!/bin/sh
here=${0%/*}; name=${0##*/}
echo "$name $*" >> "$LOG"
case "$1 $2" in
  "-c "*version_info*) ! test -e "$here/$name.unsuitable" ;;
  "-c "*ensurepip*) ! test -e "$here/$name.bare" ;;
  "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  "-m pip") case "$*" in *"$FAIL"*) test -z "$FAIL" ;; esac ;;
esac
"""


class Machine:
    """A checkout's Makefile, and a PATH on which there is nothing but what a test puts there."""

    def __init__(self, folder):
        self.checkout = folder / "checkout"
        self.bin = folder / "bin"
        self.log = folder / "log"
        self.bin.mkdir(parents=True)
        self.checkout.mkdir()
        for name in ("Makefile", "workspace.txt", "pyproject.toml"):
            shutil.copy(ROOT / name, self.checkout)
        for tool in (*TOOLS, "cp"):
            (self.bin / tool).symlink_to(shutil.which(tool))

    @property
    def venv(self):
        return self.checkout / ".venv"

    def python(self, name, text=FAKE_PYTHON, *marks):
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)
        for mark in marks:
            (self.bin / f"{name}.{mark}").touch()

    def make(self, *arguments, fail=""):
        self.log.write_text("")
        environment = {"PATH": str(self.bin), "LOG": str(self.log), "FAIL": fail}
        return subprocess.run(
            [shutil.which("make"), *arguments],
            cwd=self.checkout,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def calls(self):
        return self.log.read_text().splitlines()


@pytest.fixture
def machine(tmp_path):
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    return Machine(tmp_path)


def _errors(result):
    """What was printed to stderr, without make's own last line."""
    return [line for line in result.stderr.splitlines() if not line.startswith("make")]


class TestWhichPython:
    def test_none_says_what_to_install(self, machine):
        result = machine.make("venv")
        assert result.returncode == 2
        (line,) = _errors(result)
        assert line == (
            "glulam needs Python 3.11 or 3.12 and found neither: install python3.12 (with python3.12-venv on "
            "Debian and Ubuntu), or name one with PYTHON=<path>."
        )
        assert not machine.venv.exists()

    def test_a_shim_that_fails_is_passed_over(self, machine):
        machine.python("python3.12", "#!/bin/sh\necho 'pyenv: python3.12: command not found' >&2\nexit 127\n")
        machine.python("python3.11")
        result = machine.make("venv")
        assert result.returncode == 0, result.stderr
        assert "pyenv" not in result.stderr
        assert "glulam: making .venv with python3.11; downloads about" in result.stdout

    @pytest.mark.parametrize("name", ["python3", "python"])
    def test_an_unsuitable_version_is_passed_over(self, machine, name):
        machine.python("python3.12", FAKE_PYTHON, "unsuitable")
        machine.python("python3", FAKE_PYTHON, "unsuitable")
        (machine.bin / f"{name}.unsuitable").unlink(missing_ok=True)
        machine.python(name)
        assert f"with {name};" in machine.make("venv").stdout

    def test_without_venv_it_says_what_to_install(self, machine):
        machine.python("python3.11", FAKE_PYTHON, "bare")
        result = machine.make("venv")
        assert result.returncode == 2
        (line,) = _errors(result)
        assert line == (
            "glulam: python3.11 has no venv module: install it (Debian and Ubuntu: apt install python3.11-venv)."
        )

    def test_one_without_venv_gives_way_to_one_with(self, machine):
        machine.python("python3.12", FAKE_PYTHON, "bare")
        machine.python("python3.11")
        assert "with python3.11;" in machine.make("venv").stdout

    def test_a_named_one_comes_first(self, machine):
        machine.python("python3.12")
        machine.python("mine")
        assert "with mine;" in machine.make("venv", "PYTHON=mine").stdout


class TestEnvironment:
    @pytest.fixture(autouse=True)
    def _python(self, machine):
        machine.python("python3.12")

    def _installs(self, machine):
        return [call for call in machine.calls if " install " in call]

    def test_it_installs_the_workspace_once(self, machine):
        assert machine.make("venv").returncode == 0
        build, workspace, mettagrid = self._installs(machine)
        assert "editables==" in build
        assert "hatchling==" in build
        assert workspace.endswith("--no-build-isolation -r workspace.txt")
        assert mettagrid.endswith("--only-binary mettagrid -e ./plugins/mettagrid")
        machine.make("venv")
        assert machine.calls == []

    def test_a_changed_requirement_installs_again_into_the_same_environment(self, machine):
        machine.make("venv")
        ready = (machine.venv / "glulam-ready").stat().st_mtime
        os.utime(machine.checkout / "pyproject.toml", (ready + 5, ready + 5))
        machine.make("venv")
        assert len(self._installs(machine)) == 3
        assert not [call for call in machine.calls if "-m venv" in call]

    def test_one_that_is_half_made_is_made_again(self, machine):
        result = machine.make("venv", fail="workspace.txt")
        assert result.returncode == 2
        (machine.venv / "leftover").touch()
        assert machine.make("venv").returncode == 0
        assert not (machine.venv / "leftover").exists()
        assert [call for call in machine.calls if "-m venv" in call]

    def test_a_moved_checkout_installs_again(self, machine):
        machine.make("venv")
        machine.checkout = machine.checkout.rename(machine.checkout.with_name("elsewhere"))
        machine.make("venv")
        assert len(self._installs(machine)) == 3

    def test_an_environment_of_the_users_own_is_used_and_never_removed(self, machine):
        shutil.copytree(machine.bin, machine.venv / "bin", symlinks=True)
        machine.python("../checkout/.venv/bin/python")
        assert machine.make("venv", fail="workspace.txt").returncode == 2
        assert machine.make("venv").returncode == 0
        assert machine.make("clean").returncode == 0
        assert (machine.venv / "bin/python").exists()

    def test_a_folder_that_is_no_environment_is_left_alone(self, machine):
        (machine.checkout / "mine").mkdir()
        (machine.checkout / "mine/thesis").touch()
        result = machine.make("venv", "VENV=mine")
        assert result.returncode == 2
        (line,) = _errors(result)
        assert line == (
            "glulam: mine is not a virtual environment with pip and Python 3.11 or 3.12: "
            "move it away, or name another with VENV=<folder>."
        )
        assert (machine.checkout / "mine/thesis").exists()

    def test_without_mettagrid_one_line_says_so_and_the_rest_is_ready(self, machine):
        result = machine.make("venv", fail="mettagrid")
        assert result.returncode == 0
        assert result.stdout.splitlines()[-1] == (
            "glulam: mettagrid could not be installed (wheels: Python 3.11 and 3.12 on Linux with "
            "glibc 2.34 and on Apple silicon), so `make run` cannot train; all else works. "
            "See .venv/mettagrid.log."
        )
        assert (machine.venv / "glulam-ready").exists()

    def test_torch_comes_from_the_named_index_first(self, machine):
        machine.make("venv", "TORCH_INDEX=some-index")
        _, torch, workspace, _ = self._installs(machine)
        assert torch.endswith("--index-url some-index torch<2.14")
        assert workspace.endswith("-r workspace.txt")

    def test_the_environments_variables_do_not_steer_it(self, machine):
        """OUT, VENV and PYTHON are common names; only make's command line sets ours."""
        text = (machine.checkout / "Makefile").read_text()
        assert not re.search(r"^(VENV|OUT|PYTHON|TORCH_INDEX) *\?=", text, re.MULTILINE)


def _project(folder):
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _names(requirements):
    return {re.match(r"[A-Za-z0-9_-]+", requirement)[0].lower() for requirement in requirements}


def _imports(folder):
    """Top-level names that a package's files import, wherever in the file."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _tops(folder):
    return {name.split(".")[0] for name in _imports(folder)} - sys.stdlib_module_names


DISTRIBUTIONS = {"PIL": "pillow", "attr": "attrs", "yaml": "pyyaml"}  # imported name to distribution, where they differ


class TestDistributions:
    def test_core_needs_no_environment_and_no_trainer(self):
        core = _project(ROOT)
        allowed = "attrs cattrs click pluggy pyyaml rich safetensors tensordict torch"
        assert _names(core["dependencies"]) == set(allowed.split())

    def test_core_declares_what_it_imports(self):
        core = _project(ROOT)
        declared = _names(core["dependencies"]).union(*map(_names, core["optional-dependencies"].values()))
        imported = {DISTRIBUTIONS.get(name, name) for name in _tops(ROOT / "core/glulam")}
        assert imported - {"glulam"} <= declared

    @pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
    def test_a_plugin_declares_what_it_imports(self, folder):
        project = _project(folder)
        declared = _names(project["dependencies"]).union(
            *map(_names, project.get("optional-dependencies", {}).values())
        )
        imported = {DISTRIBUTIONS.get(name, name).replace("_", "-") for name in _tops(folder)}
        assert imported - {f"glulam-{folder.name}"} <= declared

    @pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
    def test_a_plugin_knows_core_and_no_other_plugin(self, folder):
        others = {other.name for other in PLUGINS} - {folder.name}
        assert not {f"glulam_{other}" for other in others} & _tops(folder)
        if folder.name != "policies":  # whose YAML names the layers of others
            assert not {f"glulam-{other}" for other in others} & _names(_project(folder)["dependencies"])

    @pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
    def test_a_plugin_uses_no_private_module_of_core(self, folder):
        private = [name for name in _imports(folder) if name.startswith("glulam.") and "._" in name]
        assert private == []

    @pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
    def test_a_plugin_has_the_shape_that_a_stranger_would_publish(self, folder):
        project = _project(folder)
        package = folder / f"glulam_{folder.name}"
        assert project["name"] == f"glulam-{folder.name}"
        assert (folder / project["readme"]).read_text(encoding="utf-8").startswith(f"# {project['name']}\n")
        assert (package / "py.typed").exists()
        assert project["entry-points"]
        for points in project["entry-points"].values():
            for target in points.values():
                assert target.split(":")[0].split(".")[0] == package.name

    @pytest.mark.parametrize("folder", [ROOT, *PLUGINS], ids=lambda folder: folder.name)
    def test_our_own_distributions_are_needed_by_plain_name(self, folder):
        ours = [need for need in _project(folder)["dependencies"] if need.startswith("glulam")]
        assert all(re.fullmatch(r"glulam(-[a-z]+)?", need) for need in ours)

    def test_the_workspace_installs_every_plugin_and_mettagrid_apart(self):
        lines = (ROOT / "workspace.txt").read_text(encoding="utf-8").splitlines()
        installed = {line.removeprefix("-e ") for line in lines if line.startswith("-e ")}
        plugins = {f"./plugins/{folder.name}" for folder in PLUGINS}
        assert installed == {".[show,testing]"} | plugins - {"./plugins/mettagrid"}

    def test_mypy_finds_every_plugin(self):
        tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
        folders = ["core", *(f"plugins/{folder.name}" for folder in PLUGINS)]
        assert tool["mypy_path"] == [f"$MYPY_CONFIG_FILE_DIR/{folder}" for folder in folders]
