"""What `glulam new` makes, from core's wheel and outside the checkout: built, installed, and its own test run."""

import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command, cwd, path=()):
    env = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path)), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    env["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=cwd, env=env, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """Core as its wheel has it, in a folder."""
    out = tmp_path_factory.mktemp("core")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out, cwd=ROOT)
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(out / "site")
    return out / "site"


@pytest.fixture
def python(tmp_path):
    """A fresh virtual environment that also sees what this one has installed."""
    folder = tmp_path / "env"
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = (folder / "lib").glob("python*/site-packages")
    # addsitedir, not a plain path, so that editable installs (.pth files) are seen too.
    outer = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    (site / "_outer.pth").write_text(outer, encoding="utf-8")
    return folder / "bin" / "python"


def test_core_ships_the_files_of_the_template_and_no_more(core):
    from glulam.cli._new import _FILES

    template = core / "glulam" / "template"
    assert {str(path.relative_to(template)) for path in template.rglob("*") if path.is_file()} == set(_FILES)


def test_a_new_project_passes_its_own_test(core, python, tmp_path):
    code = "from glulam.cli import main; main()"
    run(sys.executable, "-c", code, "new", "oak-boards", cwd=tmp_path, path=[core])
    pip = (sys.executable, "-m", "pip")
    run(*pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index", "-w", tmp_path, tmp_path / "oak-boards",
        cwd=tmp_path)  # fmt: skip
    (wheel,) = tmp_path.glob("oak_boards-0.1.0-*.whl")
    run(*pip, "--python", python, "install", "-q", "--no-deps", "--no-index", wheel, cwd=tmp_path)

    checked = run(python, "-c", code, "check", "oak-boards/policy.yaml", "--strict", cwd=tmp_path)
    assert checked == "oak-boards/policy.yaml: no faults (7 layers)\n"
    tested = run(python, "-m", "pytest", "oak-boards", cwd=tmp_path)
    assert f"rootdir: {tmp_path}/oak-boards\n" in tested
    kept, rest = re.search(r"=+ (\d+) passed(.*) in [\d.]+s", tested).groups()
    assert int(kept) >= 15
    assert re.fullmatch(r"(, \d+ skipped)?", rest), rest
