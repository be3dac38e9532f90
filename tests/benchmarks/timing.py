"""What the benchmarks have in common: interleaved runs, medians with their spread, and fitted exponents."""

import gc
import math
import os
import statistics
import subprocess
import time

__all__ = ["exponent", "interleaved", "processes"]


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
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def run(command):
        subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)

    return interleaved({name: lambda command=command: run(command) for name, command in commands.items()}, rounds)


def exponent(sizes, times):
    """Return the slope of log time over log size: 1 is linear growth."""
    xs, ys = [math.log(size) for size in sizes], [math.log(time) for time in times]
    return round(statistics.linear_regression(xs, ys).slope, 3)


def _summary(times):
    values = {"median": statistics.median(times), "minimum": min(times), "maximum": max(times)}
    return {name: round(value, 3) for name, value in values.items()}
