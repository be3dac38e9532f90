"""Policies with all of the original's first weights; `fast`, and each of them alone, is a sweep of the lessons."""

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from glulam import resolve
from tests.evidence.forage import train_and_evaluate
from tests.evidence.record import commit, write_result

__all__ = ["run"]

STEPS = 300_000
SEED = 0
ORIGINAL = {"memory": {"skip": False, "bias_init": 1.0}, "action_embedding": {"init_scale": 0.1}}
POLICIES = ("latent_attn_tiny", "latent_attn_small", "latent_attn_med", "vit_lstm")


def run():
    """Train each policy, two processes of one thread at a time; as shipped they are in `forage_*.json`."""
    start = commit()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        files = [policy_file(Path(folder), name) for name in POLICIES]
        runs = list(pool.map(lambda path: train_and_evaluate(str(path), SEED, STEPS), files))
    named = [{"policy": name, "changes": ORIGINAL, **run} for name, run in zip(POLICIES, runs, strict=True)]
    command = "python -m tests.evidence initialisation_original"
    print(write_result("initialisation_original", command, start, steps=STEPS, runs=named))


def policy_file(folder, name):
    """Write a policy with the original's first weights, and return the file."""
    policy = resolve(name).to_mapping()
    for layer in policy["layers"]:
        layer.update(ORIGINAL.get(layer["name"], {}))
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(policy, sort_keys=False), encoding="utf-8")
    return path
