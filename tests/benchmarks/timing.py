"""What the benchmarks have in common: interleaved runs, medians with their spread, and fitted exponents."""

import gc
import json
import math
import os
import statistics
import subprocess
import sys
import time

__all__ = [
    "answer",
    "exponent",
    "in_rounds",
    "interleaved",
    "line_of",
    "processes",
    "with_bytecode",
    "with_own_allocator",
]

# What glibc hands back to the system it fetches again page by page, a third of the time of a large LSTM.
ALLOCATOR = dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), str(2**32))


def interleaved(cases, rounds):
    """Time callables in turn, `rounds` times each, and return `{name: {median, minimum, maximum}}` in ms."""
    taken = {name: [] for name in cases}
    for call in cases.values():
        call()  # once to warm up
    for _ in range(rounds):
        for name, call in cases.items():
            gc.collect()
            start = time.perf_counter()
            call()
            taken[name].append((time.perf_counter() - start) * 1e3)
    return {name: _summary(times) for name, times in taken.items()}


def processes(commands, rounds):
    """Time whole processes in turn, in ms of wall time, with bytecode cached; see `interleaved`."""

    def run(command):
        subprocess.run(command, env=with_bytecode(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)

    return interleaved({name: lambda command=command: run(command) for name, command in commands.items()}, rounds)


def answer(command, env):
    """Run a process and return the JSON that it prints."""
    return json.loads(subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True).stdout)


def with_bytecode():
    """Return the environment of a process that keeps bytecode, as most do."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def exponent(sizes, times):
    """Return the slope of log time over log size: 1 is linear growth."""
    xs, ys = [math.log(size) for size in sizes], [math.log(time) for time in times]
    return round(statistics.linear_regression(xs, ys).slope, 3)


def _summary(times):
    values = {"median": statistics.median(times), "minimum": min(times), "maximum": max(times)}
    return {name: round(value, 3) for name, value in values.items()}


def in_rounds(cases, rounds, before):
    """Time `{name: (call, name of another or None)}` in turn, in ms of CPU time of this process.

    Return a line a case: its median time, and the median and quartiles of its ratios to the other case of its round.
    `before` is called once a round.
    """
    taken = {name: [] for name in cases}
    for number in range(rounds + 1):
        before()
        for name, (call, _) in cases.items():
            gc.collect()
            start = time.process_time()
            call()
            if number:  # the first round warms up
                taken[name].append((time.process_time() - start) * 1e3)
    return [line_of(name, taken, against) for name, (_, against) in cases.items()]


def line_of(name, taken, against=None):
    """Return the median of what was taken in each round, `{name: [...]}`, and its ratios to another of the round."""
    line = {"what": name, "median": round(statistics.median(taken[name]), 3)}
    if against:
        low, middle, high = statistics.quantiles(
            [ours / theirs for ours, theirs in zip(taken[name], taken[against], strict=True)], n=4
        )
        line |= {"against": against, "ratio": round(middle, 3), "quartiles": [round(low, 3), round(high, 3)]}
    return line


def with_own_allocator(module):
    """Start a benchmark's module anew with memory that stays with the process, unless this is that process."""
    if not ALLOCATOR.items() <= os.environ.items():
        sys.exit(subprocess.run([sys.executable, "-m", module], env=os.environ | ALLOCATOR, check=False).returncode)
