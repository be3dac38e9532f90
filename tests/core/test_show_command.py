"""`glulam show` as users meet it: files, the tree, exit codes and messages."""

import json
import os
import subprocess
import sys

import pytest

from tests.core.picture.drawings import BROKEN


@pytest.fixture
def glulam(tmp_path):
    """Run `glulam ...` in an empty folder."""

    def run(*arguments, code="from glulam.cli import main; main()"):
        env = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}
        command = [sys.executable, "-c", code, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env, check=False)

    return run


def test_code_is_what_runs(glulam):
    done = glulam("show", "latent_attn_tiny", "--env", "mettagrid:forage", "--code")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("def compute(inputs, recur):\n    env_obs = inputs['env_obs']\n")
    assert "    core = relu(remembered)\n" in done.stdout
    compile(done.stdout, "shown", "exec")


@pytest.mark.parametrize(
    ("arguments", "returncode", "words"),
    [
        (("fast", "--code"), 2, "Missing option '--env': --code is about a policy that is built."),
        (("fast", "--time", "4"), 2, "Missing option '--env': --time is about a policy that is built."),
        (("fast", "-o", "fast.png"), 2, "Invalid value for '-o': cannot draw .png: name a file that ends in .html, "),
        (("fast", "-o", "fast"), 2, "cannot draw a file without a suffix"),
        (("fast", "-o", "no/such/folder.svg"), 1, "error: cannot write no/such/folder.svg: No such file or directory"),
        (("fast_class", "--env", "mettagrid:forage", "--code"), 1, "class of its own: read glulam_policies.fast_pol"),
        (("fsat", "--env", "mettagrid:forage", "--code"), 1, "write 'fast'"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_words(glulam, tmp_path, arguments, returncode, words):
    done = glulam("show", *arguments)
    assert done.returncode == returncode
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "start"), [("p.html", "<!doctype html>"), ("p.svg", "<svg "), ("p.mmd", "flowchart")])
def test_a_policy_is_drawn_into_a_file(glulam, tmp_path, name, start):
    done = glulam("show", "latent_attn_tiny", "-o", name)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{name}\n", "")
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_broken_policy_is_drawn_all_the_same(glulam, tmp_path):
    (tmp_path / "broken.yaml").write_text(BROKEN, encoding="utf-8")
    done = glulam("show", "broken.yaml", "-o", "broken.html")
    assert (done.returncode, done.stdout) == (1, "broken.html\n")
    assert done.stderr == (
        "4 faults; `glulam check` shows the lines, `glulam explain CODE` tells more of GL304, GL403, GL201, GL102\n"
    )
    assert "unknown layer" in (tmp_path / "broken.html").read_text(encoding="utf-8")
    tree = glulam("show", "broken.yaml")
    assert tree.returncode == glulam("check", "broken.yaml").returncode == 1
    assert "GL201 unknown layer 'lstmm' (broken.yaml:7:13)" in tree.stdout


def test_the_tree_and_json_need_no_extra_and_no_torch(glulam):
    code = (
        "import sys\nsys.modules |= {'igraph': None, 'jinja2': None}\nfrom glulam.cli._main import cli\n"
        "cli(standalone_mode=False)\nprint('torch' in sys.modules, file=sys.stderr)"
    )
    done = glulam("show", "fast", code=code)
    assert done.stdout.startswith("fast in any environment\n")
    assert done.stderr == "False\n"
    told = json.loads(glulam("show", "fast", "--format", "json").stdout)
    assert [board["name"] for board in told["boards"]][:2] == ["obs_shaper", "cnn"]


@pytest.mark.parametrize("missing", ["igraph", "jinja2"])
def test_a_missing_extra_is_named(glulam, tmp_path, missing):
    code = f"import sys\nsys.modules[{missing!r}] = None\nfrom glulam.cli import main\nmain()"
    done = glulam("show", "fast", "-o", "fast.svg", code=code)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: pictures need {missing}, which is not installed: pip install {missing}, or the extra glulam[show]\n"
    )
    assert list(tmp_path.iterdir()) == []
