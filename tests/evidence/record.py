"""A result file: what was run, on what, and every raw figure; written whole or not at all."""

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

__all__ = ["RESULTS", "ROOT", "commit", "made_by", "read_result", "write_result"]

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results"
PACKAGES = ("glulam", "torch", "tensordict", "numpy", "mettagrid", "torchrl")


def write_result(name, command, started_at_commit, **figures):
    """Write docs/results/NAME.json."""
    result = {
        "name": name,
        "command": command,
        "commit": started_at_commit,
        "versions": {package: version(package) for package in PACKAGES} | {"python": platform.python_version()},
        "machine": {"cores": os.cpu_count(), "system": platform.system(), "processor": _processor()},
        **figures,
    }
    path = RESULTS / f"{name}.json"
    temporary = path.with_suffix(".json.part")
    temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)
    return path


def read_result(name):
    """Return what docs/results/NAME.json holds."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def made_by(name, result):
    """Return the line of a page that says what made a result file, and where it is."""
    machine, versions = result["machine"], result["versions"]
    return (
        f"`{result['command']}` at commit `{result['commit'][:12]}`, Python {versions['python']}, torch "
        f"{versions['torch']}, {machine['cores']} cores of {machine['processor']}: {{download}}`{name}.json`.  "
    )


def commit():
    """Return the checkout's commit, marked where files differ from it."""
    head = _git("rev-parse", "HEAD")
    return head + ("-dirty" if _git("status", "--porcelain", "--untracked-files=no") else "")


def _git(*arguments):
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or sys.platform
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
