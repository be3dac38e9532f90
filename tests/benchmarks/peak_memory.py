"""Peak memory of one training step of each policy, against the plain one with the same weights.

One process a measurement, ours and the plain one by turns, ratios of a round. A step is `whole`'s: forward and backward
of a PPO loss over segments. What counts is by how much the step raises the largest resident memory of its process,
once a step over two segments of four has loaded what code there is to load: activations, gradients and buffers.
It is `VmHWM` of /proc/self/status, which is `ru_maxrss` but for a process's start: that begins at its parent's peak.
One thread. Blocks from 64 KiB on have pages of their own, which go back to the system with them: what is resident is
what is in use, and not what malloc has kept of what was in use before.
The loss of both has to be the same.
"""

import json
import os
import sys
from pathlib import Path

import torch

import glulam
from tests.benchmarks.agreement import check_same
from tests.benchmarks.plain import NAMES
from tests.benchmarks.plain_weights import plain_twin
from tests.benchmarks.timing import answer, line_of
from tests.benchmarks.whole import TRAINING, Training
from tests.evidence.record import commit, write_result

__all__ = ["run"]

SMALL = (2, 4)  # segments, steps
PAGES = {"MALLOC_MMAP_THRESHOLD_": str(2**16)}
SIDES = {"ours": Training.ours, "plain": Training.theirs}


def run(rounds=5, names=NAMES, batches=TRAINING):
    """Measure and write docs/results/peak_memory.json."""
    started = commit()
    runs = []
    for name in names:
        for batch in batches:
            runs.append({"policy": name, "batch": list(batch)} | compared(name, batch, rounds))
            print(runs[-1], flush=True)
    command = "python -m tests.benchmarks.peak_memory"
    return write_result("peak_memory", command, started, runs=runs, unit="MiB", rounds=rounds)


def compared(name, batch, rounds):
    """Return the medians of both sides, and how many times ours the plain one takes."""
    taken = {side: [] for side in SIDES}
    for _ in range(rounds):
        losses = []
        for side in SIDES:
            peak, loss = in_a_process(name, side, *batch)
            taken[side].append(peak)
            losses.append(torch.tensor(loss))
        check_same(f"the plain {name}", *reversed(losses))
    line = line_of("plain", taken, "ours")
    return {
        "ours": line_of("ours", taken)["median"],
        "plain": line["median"],
        "ratio": line["ratio"],
        "quartiles": line["quartiles"],
    }


def in_a_process(*arguments):
    """Return what `measured` does, of a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.peak_memory", *map(str, arguments)]
    env = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")} | PAGES
    return answer(command, env)


def measured(name, side, segments, steps):
    """Return by how many MiB a step raises this process's peak, and its loss."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    policy = glulam.build(name, glulam.environment_spec("mettagrid:forage"), losses=["ppo"])
    cases = [Training(policy, plain_twin(policy), *batch) for batch in (SMALL, (segments, steps))]
    for case in cases:
        case.redraw()
    SIDES[side](cases[0])
    before = peak()
    loss = SIDES[side](cases[1])
    return peak() - before, loss.item()


def peak():
    """Return the largest resident memory of this process so far, in MiB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    if len(sys.argv) > 1:  # a process of `in_a_process`
        print(json.dumps(measured(*sys.argv[1:3], *map(int, sys.argv[3:]))))
    else:
        print(run())
