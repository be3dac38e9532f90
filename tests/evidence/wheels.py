"""Wheels and sdists of all distributions: built, looked at, installed outside the checkout, and README's blocks run."""

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from tests.evidence.outside import FOLDERS, build_all, make_environment, run_page
from tests.evidence.outside import run as run_command
from tests.evidence.record import ROOT, commit, write_result

__all__ = ["left_out", "run"]


def left_out(folder, sdist, wheel):
    """Return the tracked files of a distribution's package that its wheel lacks, and its sdist."""
    package = next(iter(sorted((folder / "core" if folder == ROOT else folder).glob("glulam*/__init__.py")))).parent
    listed = subprocess.run(["git", "ls-files", "-z", package], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    in_wheel = set(zipfile.ZipFile(wheel).namelist())
    with tarfile.open(sdist) as packed:
        in_sdist = {name.partition("/")[2] for name in packed.getnames()}
    missing = [
        str(file.relative_to(package.parent)) for file in files if str(file.relative_to(package.parent)) not in in_wheel
    ]
    return missing + [
        f"sdist: {file.relative_to(folder)}" for file in files if str(file.relative_to(folder)) not in in_sdist
    ]


def run():
    """Write docs/results/wheels.json, a row a distribution and the rows of README."""
    started = commit()
    with tempfile.TemporaryDirectory(prefix="wheels-") as place:
        folder = Path(place)
        built = build_all(folder / "dist")
        files = [file for pair in built.values() for file in pair]
        checked = run_command(sys.executable, "-m", "twine", "check", "--strict", *files, cwd=folder)
        rows = []
        for source, (name, (sdist, wheel)) in zip(FOLDERS, built.items(), strict=True):
            missing = left_out(source, sdist, wheel)
            if missing:
                msg = f"{name} lacks {missing}"
                raise RuntimeError(msg)
            names = zipfile.ZipFile(wheel).namelist()
            rows.append(
                {
                    "distribution": name,
                    "sdist_bytes": sdist.stat().st_size,
                    "wheel_bytes": wheel.stat().st_size,
                    "files": len(names),
                    "typed": any(file.endswith("py.typed") for file in names),
                }
            )
        python = make_environment(folder, [wheel for _, wheel in built.values()])
        where = run_command(python, "-c", "import glulam; print(glulam.__file__)", cwd=folder).strip()
        if not where.startswith(str(folder)):
            msg = f"glulam comes from {where}, not from its wheel"
            raise RuntimeError(msg)
        readme = run_page(python, ROOT / "README.md", folder / "readme")
        twine = checked.count("PASSED")
    write_result("wheels", "python -m tests.evidence wheels", started, runs=rows, twine_passed=twine, readme=readme)
