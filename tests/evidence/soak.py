"""An hour of training with checkpoints, evaluations and TensorBoard: does memory grow, are handles left open?

`python -m tests.evidence soak` takes an hour, `python -m tests.evidence.soak MINUTES` another time. A process trains
`fast` on `mettagrid:forage`; at each point that it saves, it reads the checkpoint anew and plays episodes with it. This
one looks at it from outside, by /proc, so on Linux.

It warms up until the fifth evaluation, and for the first tenth of the time: all code is loaded by then, and malloc has
found the arenas that updates, points and evaluations want between them. That does not count.

What a process has of the system is more than it uses: malloc keeps what it is given back. So the training tells after
each evaluation what malloc has handed out (`held`), and how many pieces Python has of its own allocator (`pieces`).
"""

import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

from tests.evidence.record import ROOT, commit, write_result

__all__ = ["FLAT", "HANDLES", "run", "verdict"]

MINUTES, PERIOD = 60.0, 10.0
POLICY, ENV, EPISODES = "fast", "mettagrid:forage", 64
SETTINGS = {"num_envs": 32, "checkpoint_interval": 32_768, "keep_checkpoints": 3, "tensorboard": True, "threads": 1}
WARM_EVALUATIONS, WARM_PART = 5, 0.1
FLAT, WINDOWS = 0.02, 10
MEMORY, HANDLES = ("rss", "uss", "pss", "held", "pieces"), ("open_files", "threads", "children")


def run(minutes=MINUTES, period=PERIOD):
    """Train, watch, and write docs/results/soak.json."""
    start = commit()
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "run"
        command = [sys.executable, "-m", "tests.evidence.soak", "--train", str(out), str(minutes)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        errors = Path(name) / "errors"
        with errors.open("w") as stream:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=stream)
        try:
            samples = list(watched(process, out, period))
        finally:
            process.terminate()
            code = process.wait()
        if code:
            sys.exit(f"training ended with {code}: {errors.read_text()[-2000:]}")
        left = [json.loads(line) for line in (out / "evaluations.jsonl").read_text().splitlines()]
    found = verdict(samples)
    print(json.dumps(found, indent=1))
    shown = {"minutes": minutes, "period_s": period, "policy": POLICY, "env": ENV, "settings": SETTINGS}
    shown |= {"episodes": EPISODES, "returns": [row["return_mean"] for row in left]}
    command = "python -m tests.evidence soak" if minutes == MINUTES else f"python -m tests.evidence.soak {minutes:g}"
    print(write_result("soak", command, start, **shown, verdict=found, runs=samples))


def watched(process, out, period):
    """Yield what a training takes up, every so many seconds, until it ends."""
    began = time.monotonic()
    while process.poll() is None:
        with suppress(OSError, KeyError):  # it has just ended
            yield {"seconds": round(time.monotonic() - began, 1)} | taken(process.pid, out)
        with suppress(subprocess.TimeoutExpired):
            process.wait(period)


def taken(pid, out):
    """Return memory (bytes), handles and files (bytes) of a process that trains."""
    place = Path("/proc") / str(pid)
    rollup = dict(line.split(":", 1) for line in (place / "smaps_rollup").read_text().splitlines()[1:])
    size = {name: 1024 * int(text.split()[0]) for name, text in rollup.items()}
    children = [path.read_text().split() for path in place.glob("task/*/children")]
    return {
        "rss": size["Rss"],
        "pss": size["Pss"],
        "uss": size["Private_Clean"] + size["Private_Dirty"],
        "open_files": len(list((place / "fd").iterdir())),
        "threads": len(list((place / "task").iterdir())),
        "children": sum(map(len, children)),
        "metrics_bytes": _bytes(out.glob("metrics.jsonl")),
        "tensorboard_bytes": _bytes(out.glob("tensorboard/*")),
        "points_bytes": _bytes(out.glob("resume/*/*")),
        **_told(out / "evaluations.jsonl"),
    }


def _bytes(paths):
    total = 0
    for path in paths:
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def _told(path):
    """Return how many evaluations there were, and what the training told of its memory after the last."""
    lines = path.read_text().splitlines() if path.exists() else []
    last = json.loads(lines[-1]) if lines else {"held": 0, "pieces": 0}
    return {"evaluations": len(lines), "held": last["held"], "pieces": last["pieces"]}


class Mallinfo(ctypes.Structure):
    """What glibc's `mallinfo2` returns."""

    _fields_: ClassVar = [
        *((name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd")),
        *((name, ctypes.c_size_t) for name in ("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")),
    ]


def held():
    """Return the bytes that malloc has handed out, and the pieces that Python has of its own allocator."""
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = Mallinfo
    found = mallinfo()
    return {"held": found.uordblks + found.hblkhd, "pieces": sys.getallocatedblocks()}


def verdict(samples):
    """Return whether memory was flat and no handle was left open, and by how much.

    What counts is taken after the warm-up and before the last update, in ten windows. A sample finds a process anywhere
    in an update, with some of what that allocates; so memory is flat where the median of each window lies within 2 % of
    the median of all, and a line through all samples rises by no more than 2 % from the first to the last (`drift`).
    Handles are not left open where the least that a sample of the last window finds is no more than that of the first:
    a file that is just being written is open, and one that was forgotten is open in all samples to come.
    """
    end = samples[-1]["seconds"]
    kept = [
        one
        for one in samples
        if one["evaluations"] >= WARM_EVALUATIONS
        and one["seconds"] >= WARM_PART * end
        and one["metrics_bytes"] < samples[-1]["metrics_bytes"]
    ]
    if len(kept) < WINDOWS:
        msg = f"{end:.0f} s is too short: memory warms up until evaluation number {WARM_EVALUATIONS}, and {WINDOWS} "
        msg += f"samples have to follow; {len(kept)} do"
        raise ValueError(msg)
    edges = [len(kept) * number // WINDOWS for number in range(WINDOWS + 1)]
    windows = [kept[low:high] for low, high in pairwise(edges)]
    memory = {name: _flatness(name, kept, windows) for name in MEMORY if name in kept[0]}
    handles = {name: [min(one[name] for one in window) for window in windows] for name in HANDLES}
    return {
        "warm_s": kept[0]["seconds"],
        "until_s": kept[-1]["seconds"],
        "samples": len(kept),
        "memory": memory,
        "handles": {
            name: {
                "first": least[0],
                "last": least[-1],
                "most": max(one[name] for one in kept),
                "leaked": least[-1] > least[0],
            }
            for name, least in handles.items()
        },
    }


def _flatness(name, kept, windows):
    values = [one[name] for one in kept]
    middle = statistics.median(values)
    medians = [statistics.median(one[name] for one in window) / middle - 1 for window in windows]
    line = statistics.linear_regression([one["seconds"] for one in kept], values)
    drift = line.slope * (kept[-1]["seconds"] - kept[0]["seconds"]) / middle
    return {
        "median": middle,
        "windows": medians,
        "lowest": min(values) / middle - 1,
        "highest": max(values) / middle - 1,
        "drift": drift,
        "flat": max(map(abs, [*medians, drift])) <= FLAT,
    }


def train(out, minutes):
    """Train for some minutes, with an evaluation at each point."""
    import glulam
    from glulam_train.evaluation import evaluate_policy
    from glulam_train.run import Run
    from glulam_train.settings import TrainSettings

    class Evaluated(Run):
        """A run that plays with what it has saved."""

        def _save_policy(self):
            super()._save_policy()
            if self.last is None:  # nothing is trained yet
                return
            policy = glulam.load(self.folder.checkpoint).eval()
            report = evaluate_policy(policy, ENV, EPISODES, 0, checkpoint=self.folder.checkpoint)
            del policy
            with (out / "evaluations.jsonl").open("a") as file:
                file.write(json.dumps(report | held()) + "\n")

    settings = TrainSettings(policy=POLICY, env=ENV, steps=2**40, **SETTINGS)
    running = Evaluated(settings, out)
    try:
        running.train(seconds=minutes * 60)
    finally:
        running.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--train"]:
        train(Path(sys.argv[2]), float(sys.argv[3]))
    else:
        run(*map(float, sys.argv[1:]))
