"""What decides whether policies learn `mettagrid:forage`: their initialisation and the skip around the memory."""

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
ORIGINAL = {"memory": {"skip": False, "bias_init": 1.0}, "action_embedding": {"init_scale": 0.1}}
VARIANTS = {
    "as shipped": {},
    "no skip around the memory": {"memory": {"skip": False}},
    "embeddings of at most 0.1": {"action_embedding": {"init_scale": 0.1}},
    "as the original": ORIGINAL,
}
OTHERS = ("latent_attn_tiny", "latent_attn_small", "latent_attn_med", "vit_lstm")


def run():
    """Train `fast` in each variant; two processes of one thread at a time."""
    start = commit()
    cases = [("fast", changes) for changes in VARIANTS.values()]
    named = [
        {"variant": name, "changes": VARIANTS[name], **run} for name, run in zip(VARIANTS, train(cases), strict=True)
    ]
    command = "python -m tests.evidence initialisation"
    print(write_result("initialisation", command, start, steps=STEPS, runs=named))


def run_original():
    """Train each policy of the original with all of its values; as shipped they are in `forage_*.json`."""
    start = commit()
    runs = train([(name, ORIGINAL) for name in OTHERS])
    named = [{"policy": name, "changes": ORIGINAL, **run} for name, run in zip(OTHERS, runs, strict=True)]
    command = "python -m tests.evidence initialisation_original"
    print(write_result("initialisation_original", command, start, steps=STEPS, runs=named))


def train(cases):
    """Return one run for each policy and its changes, with one seed."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        files = [variant_file(Path(folder), number, *case) for number, case in enumerate(cases)]
        return list(pool.map(lambda path: train_and_evaluate(str(path), SEED, STEPS), files))


def variant_file(folder, number, name, changes):
    """Write a policy with some fields of some layers changed, and return the file."""
    policy = resolve(name).to_mapping()
    for layer in policy["layers"]:
        layer.update(changes.get(layer["name"], {}))
    path = folder / f"{name}_{number}.yaml"
    path.write_text(yaml.safe_dump(policy, sort_keys=False), encoding="utf-8")
    return path
