"""`kill -9` at random moments, also within a save: does a run always resume, and to the same numbers?

An uninterrupted run is the oracle. Every other run is killed once, at a moment drawn over its length, or, every
second one, while a point is being written (its folder still has the name of a part).
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from glulam import read_tensors
from tests.evidence.memory_tasks import policy_file
from tests.evidence.record import commit, write_result

KILLS = 20
STEPS, INTERVAL = 40_960, 4_096
CLOCKS = ("seconds", "steps_per_second")
START = "from glulam.cli import main; main()"


def run():
    """Kill and resume, two runs at a time, and compare."""
    start = commit()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        policy = policy_file(Path(folder), "tmaze", "gru")
        whole = Path(folder) / "whole"
        began = time.perf_counter()
        wait(train(policy, whole))
        length = time.perf_counter() - began
        expected = outcome(whole)
        moments = random.Random(0)  # noqa: S311 - moments, not secrets
        jobs = [(policy, Path(folder) / str(k), k % 2 == 1, moments.uniform(0.05, 1)) for k in range(KILLS)]
        runs = list(pool.map(lambda job: one(*job, length, expected), jobs))
    command = "python -m tests.evidence killed"
    same = sum(run["same"] for run in runs)
    print(f"{same} of {len(runs)} resumed to the same numbers; {sum(run['in_save'] for run in runs)} killed in a save")
    print(write_result("killed", command, start, steps=STEPS, interval=INTERVAL, seconds=length, same=same, runs=runs))


def one(policy, out, in_save, moment, length, expected):
    """Kill one run, resume it, and say how it ended."""
    process = train(policy, out)
    began = time.perf_counter()
    due = began + moment * length
    caught = False
    while process.poll() is None and time.perf_counter() < began + 10 * length:
        caught = any(out.glob("resume/.*.part"))
        if (caught and time.perf_counter() > due) if in_save else time.perf_counter() > due:
            break
        time.sleep(0.0002 if in_save else 0.005)
    finished = process.poll() is not None
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = sorted(path.name for path in (out / "resume").glob("*")) if out.exists() else []
    in_save = any(name.startswith(".") for name in left)
    if not (out / "settings.yaml").exists():  # killed before it had begun: begin
        wait(train(policy, out))
    else:
        wait(start("train", "--resume", str(out)))
    found = outcome(out)
    return {
        "moment": moment,
        "killed_after_seconds": time.perf_counter() - began if finished else moment * length,
        "already_finished": finished,
        "in_save": in_save,
        "left": left,
        "same": found == expected,
    }


def train(policy, out):
    """Start a training."""
    fixed = ["--env", "mettagrid:tmaze", "--steps", str(STEPS), "--seed", "0", "--out", str(out)]
    chosen = ("threads=1", "num_envs=32", f"checkpoint_interval={INTERVAL}", "normalize_returns=true")
    return start("train", str(policy), *fixed, *(word for setting in chosen for word in ("--set", setting)))


def start(*arguments):
    """Start a command of glulam."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", START, *arguments], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def wait(process):
    """Wait for a command that must succeed."""
    _, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(errors.decode()[-2000:])


def outcome(out):
    """Return what a run came to: its metrics but for the clocks, and its checkpoint's checksum."""
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    numbers = [{name: value for name, value in row.items() if name not in CLOCKS} for row in rows]
    return numbers, read_tensors(out / "checkpoint.safetensors")[0]["sha256"]
