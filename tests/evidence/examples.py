"""The loops in docs/examples, run as a user runs them, and what they taught, by `glulam eval`'s own count."""

import os
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import glulam
from glulam_train.evaluation import evaluate_policy, random_return
from tests.evidence.record import ROOT, commit, write_result

EXAMPLES = {
    "single_file_ppo": ("gymnasium:CartPole-v1", 50_000),
    "send_recv_ppo": ("mettagrid:forage", 60_000),
    "ray_collector": ("gymnasium:CartPole-v1", 30_000),
}
SEED, EPISODES = 0, 64


def run():
    """Run each example, one thread, and evaluate what it saves; Ray must be installed."""
    start, runs = commit(), []
    for name, (env, steps) in EXAMPLES.items():
        runs.append({"example": name, "environment": env, "steps": steps, "seed": SEED} | run_one(name, env, steps))
        print({key: value for key, value in runs[-1].items() if key != "lines"}, flush=True)
    print(write_result("examples", "python -m tests.evidence examples", start, ray=version("ray"), runs=runs))


def run_one(name, env, steps):
    """Return how long one took, what it printed, and the returns of its policy and of random play."""
    started = time.perf_counter()
    with TemporaryDirectory() as folder:
        out = Path(folder) / "policy.safetensors"
        command = [sys.executable, str(ROOT / "docs" / "examples" / f"{name}.py"), str(steps), str(SEED), str(out)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, cwd=folder, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        minutes = (time.perf_counter() - started) / 60
        trained = evaluate_policy(glulam.load(out, env), env, EPISODES, SEED)
    lines = [line for line in done.stdout.splitlines() if line.startswith("update ")]
    return {
        "minutes": minutes,
        "trained": trained | {"checkpoint": None},
        "random": random_return(env, EPISODES, SEED),
    } | {"lines": lines}
