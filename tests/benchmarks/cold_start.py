"""Wall time from the start of a process to a policy's first action, and what `torch.compile` takes before its first.

Processes by turns, warm (files and bytecode are in memory), ratios to `import torch, tensordict` within a round. A
policy is built from the spec of `mettagrid:forage`, read from JSON: no simulator is imported. The peer is the plain
policy, which imports torch alone. Each acts for four rows on one thread; `startup` has the commands without a network.

Compiling: `torch.compile(fullgraph=True)` around one policy's `compute`, inductor, without gradient, its outputs
compared with those of the plain call. The first call is one graph; the second, of another number of rows, is one for
any; a third takes no time to compile. Once with an empty cache, and once in a new process that finds what the first
one has left there.
"""

import json
import os
import sys
import tempfile
import time
from itertools import pairwise
from statistics import median

import torch

import glulam
from tests.benchmarks.agreement import check_same
from tests.benchmarks.plain_weights import world_of
from tests.benchmarks.timing import answer, line_of, with_bytecode
from tests.evidence.record import commit, write_result

__all__ = ["run"]

NAMES = ("fast", "latent_attn_tiny")
COMPILED = "latent_attn_tiny"
ROWS = (64, 256, 1024)  # of the first, the second and the third call
TOKENS = 200
PRELUDE = """
import json, sys, time
marks = {}
def mark(what):
    marks[what] = 1e3 * (time.monotonic() - float(sys.argv[1]))
mark("python")
"""
LIBRARIES = "import torch, tensordict\nmark('libraries')\n"
OURS = """
import glulam
mark("glulam")
policy = glulam.build(%r, glulam.EnvSpec.from_dict(json.loads(%r)))
mark("build")
flags = torch.zeros(4, dtype=torch.bool)
obs = torch.randint(0, 11, (4, 200, 3), dtype=torch.uint8)
seen = {"env_obs": obs, "dones": flags, "truncateds": flags, "env_id": torch.arange(4)}
with torch.no_grad():
    for step in ("first action", "second action"):
        policy(tensordict.TensorDict(seen, batch_size=[4]))["actions"].tolist()
        mark(step)
"""
PLAIN = """
import torch
mark("libraries")
from tests.benchmarks.plain import World, plain_policy
policy = plain_policy(%r, %r)
mark("build")
flags = torch.zeros(4, dtype=torch.bool)
obs = torch.randint(0, 11, (4, 200, 3), dtype=torch.uint8)
with torch.no_grad():
    for step in ("first action", "second action"):
        policy.act(obs, flags, flags)[0].tolist()
        mark(step)
"""
BARE, LIBRARY = "python", "import torch, tensordict"


def run(rounds=11, names=NAMES, compiled=COMPILED):
    """Measure and write docs/results/cold_start.json."""
    started = commit()
    env = glulam.environment_spec("mettagrid:forage")
    scripts = {BARE: "", LIBRARY: LIBRARIES}
    for name in names:
        scripts[name] = LIBRARIES + OURS % (name, env.to_json())
        scripts[f"{name}, plain"] = PLAIN % (name, world_of(env))
    runs = first_actions(scripts, rounds)
    print(*runs, sep="\n", flush=True)
    compiling = compiling_of(compiled)
    print(compiling, flush=True)
    return write_result(
        "cold_start", "python -m tests.benchmarks.cold_start", started, runs=runs, unit="ms of wall time",
        rounds=rounds, compiling=compiling,
    )  # fmt: skip


def first_actions(scripts, rounds):
    """Return a line a script: its time until the first action or its end, and what of it each part takes."""
    marks = {name: [] for name in scripts}
    for number in range(rounds + 1):
        for name, script in scripts.items():
            found = marks_of(script)
            if number:  # the first round warms up
                marks[name].append(found)
    until = {name: [found.get("first action", max(found.values())) for found in all_] for name, all_ in marks.items()}
    return [line_of(name, until, LIBRARY) | {"parts": parts(found)} for name, found in marks.items()]


def marks_of(script):
    """Return when a script came to its marks, in ms since before its process."""
    command = [sys.executable, "-c", PRELUDE + script + "\nprint(json.dumps(marks))", str(time.monotonic())]
    return answer(command, with_bytecode() | {"OMP_NUM_THREADS": "1"})


def parts(rounds):
    """Return the median time from mark to mark."""
    each = [{late: found[late] - found[early] for early, late in pairwise(found)} for found in rounds]
    each = [{"python": found["python"]} | steps for found, steps in zip(rounds, each, strict=True)]
    return {name: round(median(steps[name] for steps in each), 1) for name in each[0]}


def compiling_of(name):
    """Return the wall time in seconds of compiled calls, of two processes that share a cache."""
    command = [sys.executable, "-m", "tests.benchmarks.cold_start", name]
    with tempfile.TemporaryDirectory() as cache:
        env = os.environ | {"TORCHINDUCTOR_CACHE_DIR": cache, "OMP_NUM_THREADS": "1"}
        return {"policy": name, "rows": ROWS, "empty cache": answer(command, env), "its cache": answer(command, env)}


def compile_here(name):
    """Return the wall time in seconds of the first calls of a policy's compiled `compute`, and of plain ones."""
    torch.set_num_threads(1)
    policy = glulam.build(name, glulam.environment_spec("mettagrid:forage"))
    memories = policy.memory_layers()

    def core(obs, states, reset):
        return policy.compute({"env_obs": obs}, glulam.Recurrence(states, reset))["values"]

    compiled = torch.compile(core, fullgraph=True)
    times = {"compiled": [], "eager": []}
    for rows in ROWS:
        obs = torch.randint(0, 11, (rows, TOKENS, 3), dtype=torch.uint8)
        states = {name: layer.initial_state(rows) for name, layer in memories.items()}
        given = obs, states, torch.zeros(rows, dtype=torch.bool)
        eager = timed(times["eager"], core, *given)
        check_same("compiled", timed(times["compiled"], compiled, *given), eager)
    return times


def timed(times, call, *given):
    start = time.perf_counter()
    with torch.no_grad():
        result = call(*given)
    times.append(round(time.perf_counter() - start, 3))
    return result


if __name__ == "__main__":
    if len(sys.argv) > 1:  # a process of `compiling_of`
        print(json.dumps(compile_here(sys.argv[1])))
    else:
        print(run())
