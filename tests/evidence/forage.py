"""The reference policies on `mettagrid:forage`, by the commands that users type; fewer seeds for the slowest."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.evidence.record import commit, write_result

SEEDS = dict.fromkeys(("fast", "latent_attn_tiny", "latent_attn_small"), (0, 1, 2))
EPISODES = 400
ENV = "mettagrid:forage"
STEPS = {
    "fast": 800_000,
    "latent_attn_tiny": 400_000,
    "latent_attn_small": 400_000,
    "latent_attn_med": 400_000,
    "vit_lstm": 400_000,
}
CURVE = ("agent_steps", "seconds", "return_mean", "ppo/entropy", "ppo/approx_kl", "ratio_error")


def run(names=tuple(STEPS)):
    """Train and evaluate each policy; two processes of one thread at a time."""
    start = commit()
    for name in names:
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            seeds = SEEDS.get(name, (0,))
            runs = list(pool.map(lambda seed, name=name: train_and_evaluate(name, seed, STEPS[name]), seeds))
        command = " ".join(train_command(name, "SEED", STEPS[name], "OUT"))
        print(write_result(f"forage_{name}", command, start, steps=STEPS[name], episodes=EPISODES, runs=runs))


def train_command(policy, seed, steps, out, *, env=ENV, options=()):
    """Return the command that trains one policy."""
    fixed = ["--env", env, "--steps", str(steps), "--set", "threads=1", "--set", "tensorboard=false", *options]
    return ["glulam", "train", policy, *fixed, "--seed", str(seed), "--out", str(out)]


def train_and_evaluate(policy, seed, steps, *, env=ENV, options=(), keep=None):
    """Return one run: its raw curve, its time, and its return on episodes not seen in training."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        _, *train = train_command(policy, seed, steps, out, env=env, options=options)
        trained = _glulam(*train)
        metrics = out / "metrics.jsonl"
        lines = metrics.read_text(encoding="utf-8").splitlines() if metrics.exists() else []
        curve = [{key: row.get(key) for key in CURVE} for row in map(json.loads, lines)]
        checkpoint = str(out / "checkpoint.safetensors")
        asked = ["--env", env, "--episodes", str(EPISODES), "--seed", str(seed), "--format", "json"]
        played = _glulam("eval", checkpoint, *asked)
        evaluation = json.loads(played.stdout) if played.returncode == 0 else None
        if evaluation:
            evaluation["checkpoint"] = "checkpoint.safetensors"
        if keep:
            shutil.copy(checkpoint, keep)
        return {
            "seed": seed,
            "exit": [trained.returncode, played.returncode],
            "errors": (trained.stderr + played.stderr)[-2000:] if trained.returncode or played.returncode else "",
            "agent_steps": curve[-1]["agent_steps"] if curve else 0,
            "minutes": curve[-1]["seconds"] / 60 if curve else 0,
            "evaluation": evaluation,
            "curve": curve,
        }


def _glulam(*arguments):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", "from glulam.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
