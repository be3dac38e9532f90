"""The contract suite on modules that nobody here wrote, and on an old release with a bug that is known.

torch's and TorchRL's are looked into here, the others in an environment of their own, laid over this one: it has its
own packages, and this one's where it has none. An older TorchRL hides this one's in the same way.
"""

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from importlib.metadata import version
from pathlib import Path

from tests.downstream.explained import KNOWN_BUGS
from tests.evidence.record import ROOT, commit, write_result

__all__ = ["run"]

PYPI = ("x-transformers==2.31.10", "einops==0.8.2", "vit-pytorch==1.26.11", "timm==1.0.31", "torchvision")


def run():
    """Write docs/results/downstream.json; exit with a message if an alarm has no reason or a known bug is not found."""
    started = commit()
    layers = _look(sys.executable, "wrapped-torch")
    with tempfile.TemporaryDirectory(prefix="glulam-pypi-") as folder:
        layers += _look(overlay(Path(folder), *PYPI), "wrapped-pypi")
    known = []
    for release, (names, law) in KNOWN_BUGS.items():
        with tempfile.TemporaryDirectory(prefix="glulam-torchrl-") as folder:
            for old in _look(overlay(Path(folder), f"torchrl=={release}"), "wrapped-torch", *names):
                now = next(layer for layer in layers if layer["layer"] == old["layer"])
                known.append({"law": law, "found": law in old["broken"], "kept_now": law not in now["broken"]} | old)
    faults = [f"{one['layer']} breaks {law}: {told}" for one in layers for law, told in one["broken"].items()]
    faults += [
        f"{bug['layer']} of {bug['version']}: {bug['law']} should find its bug, and find it gone in this release"
        for bug in known
        if not (bug["found"] and bug["kept_now"])
    ]
    totals = {
        "layers": len(layers),
        "packages": sorted({f"{one['package']} {one['version']}" for one in layers}),
        "laws_kept": sum(one["kept"] for one in layers),
        "laws_not_applicable": sum(one["not_applicable"] for one in layers),
        "alarms_explained": sum(len(one["exempt"]) for one in layers),
        "alarms_not_explained": sum(len(one["broken"]) for one in layers),
    }
    command = "python -m tests.evidence downstream"
    path = write_result("downstream", command, started, totals=totals, runs=layers, known_bugs=known)
    if faults:
        sys.exit("\n".join([*faults, f"All outcomes are in {path}."]))
    print(path)


def overlay(folder, *wanted):
    """Return the Python of a new environment that has some packages, and all of this one's but for those."""
    venv.create(folder, with_pip=True, symlinks=True)
    python = folder / "bin" / "python"
    here = sysconfig.get_path("purelib")
    own = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    (own / "over.pth").write_text(f"import site; site.addsitedir({here!r})\n", encoding="utf-8")
    # Without torch's local part (+cpu), so that what is here counts as it.
    pins = [f"torch=={version('torch').partition('+')[0]}", f"numpy=={version('numpy')}"]
    done = _run(python, "-m", "pip", "install", "--quiet", "--no-compile", *wanted, *pins)
    if done.returncode:
        sys.exit(f"{' '.join(wanted)} could not be installed:\n{done.stderr[-2000:]}")
    return python


def _look(python, distribution, *layers):
    # As under pytest: what a module warns of is an alarm.
    done = _run(python, "-W", "error::UserWarning", "-m", "tests.downstream.look", distribution, *layers)
    if done.returncode:
        sys.exit(f"{distribution} could not be looked into:\n{done.stderr[-2000:]}")
    print("\n".join(line for line in done.stderr.splitlines() if " kept" in line), flush=True)
    return json.loads(done.stdout.splitlines()[-1])


def _run(*command):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
