"""What strangers get: every distribution as sdist and wheel, and a fresh environment with those, elsewhere."""

import json
import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

from tests.evidence.record import ROOT

__all__ = ["FOLDERS", "build_all", "make_environment", "run", "run_page"]

FOLDERS = [ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]


def run(*command, cwd, path=None):
    """Run a command and return what it prints; what it prints is the error where it fails."""
    env = os.environ | {"OMP_NUM_THREADS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    if path is not None:
        env["PATH"] = f"{path}{os.pathsep}{env['PATH']}"
    for name in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV"):
        env.pop(name, None)
    done = subprocess.run([*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        msg = f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
        raise RuntimeError(msg)
    return done.stdout


def build_all(out):
    """Build the sdist of each distribution, and its wheel from that sdist; return both by the distribution's name."""
    built = {}
    out.mkdir(exist_ok=True)
    for folder in FOLDERS:
        name = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"]
        place = out / name
        run(sys.executable, "-m", "build", "--no-isolation", "--outdir", place, folder, cwd=out)
        (sdist,), (wheel,) = place.glob("*.tar.gz"), place.glob("*.whl")
        built[name] = (sdist, wheel)
    return built


def make_environment(folder, wheels):
    """Make a virtual environment with pip, the wheels, and this one's packages to depend on; return its Python.

    glulam's own distributions come from the wheels alone: this environment's are hidden.
    """
    venv.create(folder / "env", with_pip=True, symlinks=True)
    python = folder / "env" / "bin" / "python"
    around = folder / "dependencies"
    around.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not any(part in entry.name for part in ("glulam", "pip", "__pycache__", ".pth")):
            (around / entry.name).symlink_to(entry)
    (site,) = (folder / "env" / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(f"{around}\n", encoding="utf-8")
    run(python, "-m", "pip", "uninstall", "--quiet", "--yes", "setuptools", cwd=folder)  # Python 3.11 brings an old one
    run(python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", *wheels, cwd=folder)
    run(python, "-m", "pip", "check", cwd=folder)
    return python


def run_page(python, page, folder):
    """Run all blocks of a page in an empty folder with another Python; return the rows of `blocks.py`."""
    folder.mkdir(parents=True)
    script = ROOT / "tests" / "docs" / "blocks.py"
    printed = run(python, "-I", script, page, ROOT, cwd=folder, path=python.parent)
    return [json.loads(line) for line in printed.splitlines()]
