"""The law of imports: a config costs nothing to import, and says nothing."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING

from glulam.testing._laws import expect, law

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

    from glulam.testing._case import Case

__all__: list[str] = []

BUDGET = 1.0  # seconds of processor time; a config of ours takes some hundredths
HEAVY = ("torch", "tensordict", "torchrl", "jax", "tensorflow")
CODE = """
import importlib, sys, time
import glulam.config, glulam.keys
start = time.process_time()
importlib.import_module({module!r})
spent = time.process_time() - start
print("LOADED", round(spent, 1), ",".join(name for name in {heavy!r} if name in sys.modules), file=sys.__stdout__)
"""


@law("Importing its config imports no torch, prints nothing, and takes no time to speak of.", examples=1)
def quiet_import(case: Case, data: DataObject) -> None:
    """Import the config's module in a new process."""
    del data
    module = type(case.raw).__module__
    if module == "__main__":
        return
    loaded, printed, error, spent = _imported(module)
    expect(holds=not error, otherwise=f"importing {module} fails: {error}")
    expect(holds=not loaded, otherwise=f"importing {module}, which holds its config, imports {loaded}")
    expect(holds=not printed, otherwise=f"importing {module} prints {printed!r}")
    told = f"importing {module}, which holds its config, takes {spent:.1f} s of processor time, of {BUDGET:.1f} allowed"
    expect(holds=spent <= BUDGET, otherwise=told)


@cache
def _imported(module: str) -> tuple[str, str, str, float]:
    """Return what importing a module brings in of heavy packages, what it prints, its error, and its seconds."""
    code = CODE.format(module=module, heavy=HEAVY)
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{code}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own interpreter
    lines = done.stdout.splitlines()
    told = [line.split(maxsplit=2) for line in lines if line.startswith("LOADED")]
    printed = "\n".join([*(line for line in lines if not line.startswith("LOADED")), done.stderr.strip()]).strip()
    if done.returncode:
        return "", "", (done.stderr.strip().splitlines() or ["it ended"])[-1], 0.0
    _, spent, *loaded = told[0]
    return loaded[0] if loaded else "", printed, "", float(spent)
