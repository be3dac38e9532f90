"""What decides whether `fast` learns `mettagrid:forage`: its initialisation and the skip around its memory."""

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from glulam import resolve
from tests.evidence.forage import train_and_evaluate
from tests.evidence.record import commit, write_result

STEPS = 300_000
SEED = 0
VARIANTS = {
    "as shipped": {},
    "no skip around the memory": {"memory": {"skip": False}},
    "embeddings of at most 0.1": {"action_embedding": {"init_scale": 0.1}},
    "as the original": {
        "memory": {"skip": False, "bias_init": 1.0},
        "action_embedding": {"init_scale": 0.1},
    },
}


def run():
    """Train each variant once; two processes of one thread at a time."""
    start = commit()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        files = [variant_file(Path(folder), *item) for item in enumerate(VARIANTS.values())]
        runs = list(pool.map(lambda path: train_and_evaluate(str(path), SEED, STEPS), files))
    named = [{"variant": name, "changes": VARIANTS[name], **run} for name, run in zip(VARIANTS, runs, strict=True)]
    command = "python -m tests.evidence initialisation"
    print(write_result("initialisation", command, start, steps=STEPS, runs=named))


def variant_file(folder, number, changes):
    """Write `fast` with some fields of some layers changed, and return the file."""
    policy = resolve("fast").to_mapping()
    for layer in policy["layers"]:
        layer.update(changes.get(layer["name"], {}))
    path = folder / f"fast_{number}.yaml"
    path.write_text(yaml.safe_dump(policy, sort_keys=False), encoding="utf-8")
    return path
