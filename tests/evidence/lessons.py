"""The original's lessons as sweeps: docs/results/lessons/NAME.yaml, by the command that users type.

A sweep's folder is build/lessons/NAME, so that one which was interrupted goes on; NAME.json and NAME.png are what is
kept of it.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean

import yaml

from tests.evidence.record import RESULTS, ROOT, commit, read_result, write_result

__all__ = ["LESSONS", "run", "run_again"]

LESSONS = (
    "positions",
    "positions_hearts",
    "width_hearts",
    "sizes",
    "sizes_hearts",
    "kickstart",
    "initialisation",
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
    code = _sweep(file, out)
    if not (out / "results.json").exists():
        sys.exit(f"the sweep {name} ended with {code} and left no results")
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    kept = {key: results[key] for key in ("sweep", "variants", "runs")}
    for run in kept["runs"]:
        run.update(taught(out / run["variant"] / f"seed_{run['seed']}" / "metrics.jsonl"))
    shown = f"glulam sweep docs/results/lessons/{name}.yaml --out build/lessons/{name}"
    shutil.copy(out / "curves.png", FOLDER / f"{name}.png")
    print(write_result(f"lessons/{name}", shown, begun.read_text(encoding="utf-8"), exit=code, **kept))


def taught(metrics):
    """Return how far a student's policy was from its teacher's, in nats, in the first and the last tenth of lessons."""
    rows = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()] if metrics.exists() else []
    found = [row["kickstart/divergence"] for row in rows if row.get("kickstart/divergence") is not None]
    tenth = max(1, len(found) // 10)
    return {"divergence": [mean(found[:tenth]), mean(found[-tenth:])]} if found else {}


def run_again():
    """Run one cell of each sweep that has results once more, and compare its curve with the one that is kept."""
    start = commit()
    names = [name for name in LESSONS if (FOLDER / f"{name}.json").exists()]
    runs = [_again(name) for name in names]
    print(write_result("lessons/again", "python -m tests.evidence lessons_again", start, runs=runs))


def _again(name):
    """Return how the quickest run of a sweep's first variant differs from itself when it is run anew."""
    result = read_result(f"lessons/{name}")
    first = result["variants"][0]["variant"]
    kept = min((run for run in result["runs"] if run["variant"] == first), key=lambda run: run["seconds"])
    sweep = result["sweep"] | {"seeds": [kept["seed"]], "variants": {first: result["sweep"]["variants"][first]}}
    if str(sweep.get("policy", "")).endswith(".yaml"):
        sweep["policy"] = str(FOLDER / sweep["policy"])
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder, "again.yaml"), Path(folder, "out")
        file.write_text(yaml.safe_dump(sweep, sort_keys=False), encoding="utf-8")
        if code := _sweep(file, out):
            sys.exit(f"the run of {name} again ended with {code}")
        (run,) = json.loads((out / "results.json").read_text(encoding="utf-8"))["runs"]
    same = all(run["curve"][key] == kept["curve"][key] for key in ("agent_steps", "return_mean"))
    told = {"sweep": name, "variant": first, "seed": kept["seed"], "commit": result["commit"]}
    return told | {"points": len(kept["curve"]["agent_steps"]), "same": same, "final_return": run["final_return"]}


def _sweep(file, out):
    """Run the command that users type, and return its exit code."""
    command = [sys.executable, "-c", "from glulam.cli import main; main()", "sweep", str(file), "--out", str(out)]
    path = os.pathsep.join(filter(None, (str(SITE), os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        command, env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}, check=False
    ).returncode
