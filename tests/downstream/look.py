"""`python -m tests.downstream.look DISTRIBUTION [LAYER ...]`: the suite on layers of `wrapped`, as JSON.

It runs in any environment that has glulam; progress goes to stderr.
"""

import json
import sys
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path

import torch

from glulam import registry
from glulam.testing import examine_distribution
from tests.downstream.explained import EXPLAINED

__all__ = ["DRAWS", "WRAPPED", "look", "package_of"]

WRAPPED = Path(__file__).with_name("wrapped")  # a folder to be on the path, as pip's is
DRAWS = {"places": lambda env, size, generator: torch.randint(8, size, generator=generator)}  # rows of tables
PACKAGES = ("torchrl", "timm", "einops", "vit-pytorch")


def look(distribution, layers=()):
    """Return what became of each law of some layers, all when none is named, with the versions that were looked at."""
    names = list(layers) or [entry.name for entry in registry().layers.values() if entry.distribution == distribution]
    return [_one(distribution, name) for name in names]


def package_of(layer):
    """Return the distribution that a wrapper's module comes from, by the wrapper's name."""
    if layer.startswith("x_"):
        return "x-transformers"
    return next((package for package in PACKAGES if layer.startswith(package.replace("-", "_"))), "torch")


def _one(distribution, layer):
    told = defaultdict(dict)
    options = {"draws": DRAWS, "exemptions": EXPLAINED[distribution]}
    for verdict in examine_distribution(distribution, layers=[layer], **options):
        told[verdict.outcome][verdict.law] = verdict.told
    package = package_of(layer)
    found = {
        "layer": layer,
        "package": package,
        "version": version(package),
        "kept": len(told["kept"]),
        "not_applicable": len(told["not applicable"]),
        "exempt": told["exempt"],
        "broken": told["broken"],
    }
    print(f"{layer} ({package} {found['version']}): {_short(found)}", file=sys.stderr, flush=True)
    return found


def _short(found):
    exempt, broken = ", ".join(found["exempt"]), ", ".join(found["broken"])
    return (
        f"{found['kept']} kept" + (f"; exempt: {exempt}" if exempt else "") + (f"; BROKEN: {broken}" if broken else "")
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.path.insert(0, str(WRAPPED))
    print(json.dumps(look(sys.argv[1], sys.argv[2:])))
