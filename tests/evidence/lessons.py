"""The original's lessons as sweeps: docs/results/lessons/NAME.yaml, by the command that users type.

A sweep's folder is build/lessons/NAME, so that one which was interrupted goes on; NAME.json and NAME.png are what is
kept of it.
"""

import json
import os
import shutil
import subprocess
import sys

from tests.evidence.record import RESULTS, ROOT, commit, write_result

__all__ = ["LESSONS", "run"]

LESSONS = (
    "positions",
    "positions_hearts",
    "width_hearts",
    "sizes",
    "sizes_hearts",
    "kickstart",
    "memory",
    "resets",
)
FOLDER = RESULTS / "lessons"
WORK = ROOT / "build" / "lessons"
SITE = ROOT / "tests" / "evidence" / "site"  # a distribution of layers that only a lesson has a use for


def run(name):
    """Run a sweep, or what is left of it, and keep its results."""
    out, begun = WORK / name, WORK / f"{name}.commit"
    WORK.mkdir(parents=True, exist_ok=True)
    if not begun.exists():
        begun.write_text(commit(), encoding="utf-8")
    file = FOLDER / f"{name}.yaml"
    command = [sys.executable, "-c", "from glulam.cli import main; main()", "sweep", str(file), "--out", str(out)]
    path = os.pathsep.join(filter(None, (str(SITE), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}, check=False)
    if not (out / "results.json").exists():
        sys.exit(f"the sweep {name} ended with {done.returncode} and left no results")
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    kept = {key: results[key] for key in ("sweep", "variants", "runs")}
    shown = f"glulam sweep docs/results/lessons/{name}.yaml --out build/lessons/{name}"
    shutil.copy(out / "curves.png", FOLDER / f"{name}.png")
    print(write_result(f"lessons/{name}", shown, begun.read_text(encoding="utf-8"), exit=done.returncode, **kept))
