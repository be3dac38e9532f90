"""Tasks that only a memory can solve: each memory layer, and the same policy without one."""

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from tests.evidence.forage import train_and_evaluate
from tests.evidence.record import commit, write_result

SEEDS = (0, 1, 2)
MEMORIES = {
    "lstm": {"layer": "lstm", "hidden_size": 64, "skip": True},
    "gru": {"layer": "gru", "hidden_size": 64, "skip": True},
    "min_gru": {"layer": "min_gru", "hidden_size": 64, "skip": True, "bias_init": -2.0},
    "sliding_attention": {"layer": "sliding_attention", "hidden_size": 64, "window": 20},
    "none": None,
}
TASKS = {
    "tmaze": {
        "env": "mettagrid:tmaze",
        "steps": 400_000,
        "shaper": {"layer": "box_shaper", "out_key": "seen"},
        "encoder": [
            {
                "layer": "cnn",
                "name": "encoder",
                "in_key": "seen",
                "out_key": "encoded",
                "channels": [64],
                "kernel_sizes": [5],
                "strides": [1],
            }
        ],
        "settings": ("num_envs=128", "horizon=32", "gamma=0.95"),
    },
    "minigrid": {
        # From the fork of the smaller MemoryS7 one look back shows all: it can be solved without a memory, and teaches.
        "lesson": {"env": "minigrid:MiniGrid-MemoryS7-v0", "steps": 800_000, "settings": ("ppo.entropy_coef=0.04",)},
        "env": "minigrid:MiniGrid-MemoryS11-v0",
        "steps": 500_000,
        "shaper": {"layer": "box_shaper", "out_key": "seen"},
        "encoder": [
            {
                "layer": "cnn",
                "name": "view",
                "in_key": "seen",
                "out_key": "cells",
                "channels": [32, 32],
                "kernel_sizes": [3, 3],
                "strides": [1, 1],
            },
            {
                "layer": "mlp",
                "name": "encoder",
                "in_key": "cells",
                "out_key": "encoded",
                "hidden_sizes": [],
                "out_dim": 64,
                "activate_last": True,
            },
        ],
        "settings": ("num_envs=64", "horizon=64", "gamma=0.99", "ppo.entropy_coef=0.02"),
        "memories": ("gru", "none"),
        "seeds": (0, 1),
    },
}


def run(task="tmaze"):
    """Train each memory on a task; two processes of one thread at a time."""
    start, chosen = commit(), TASKS[task]
    memories, seeds = chosen.get("memories", tuple(MEMORIES)), chosen.get("seeds", SEEDS)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        jobs = [(memory, seed, policy_file(Path(folder), task, memory)) for memory in memories for seed in seeds]
        runs = list(pool.map(lambda job: one(*job, chosen, Path(folder)), jobs))
    command = f"python -m tests.evidence memory_{task}"
    policies = {memory: policy_of(task, memory) for memory in memories}
    setup = {name: chosen.get(name) for name in ("env", "steps", "settings", "lesson")}
    print(write_result(f"memory_{task}", command, start, **setup, policies=policies, runs=runs))


def one(memory, seed, path, task, folder):
    """Train one policy, from the weights that its lesson left where there is one, and evaluate it."""
    options = _options(task["settings"])
    lesson = None
    if "lesson" in task:
        kept = folder / f"{memory}{seed}.safetensors"
        first = task["lesson"]
        begun = _options([*task["settings"], *first["settings"]])
        lesson = train_and_evaluate(str(path), seed, first["steps"], env=first["env"], options=begun, keep=kept)
        options += ["--set", f"init_from={kept}"]
    result = {"memory": memory, **train_and_evaluate(str(path), seed, task["steps"], env=task["env"], options=options)}
    told = [run["evaluation"] and round(run["evaluation"]["return_mean"], 3) for run in (lesson, result) if run]
    print(memory, seed, *told, f"{result['minutes']:.1f} min", flush=True)
    return result | ({"lesson": lesson} if lesson else {})


def _options(settings):
    return [word for setting in settings for word in ("--set", setting)]


def policy_of(task, memory):
    """Return a policy file's mapping."""
    layer = MEMORIES[memory]
    between = [] if layer is None else [{"name": "memory", "in_key": "encoded", "out_key": "core", **layer}]
    core = "encoded" if layer is None else "core"
    return {
        "glulam": 1,
        "name": f"{task}_{memory}",
        "obs_shaper": TASKS[task]["shaper"],
        "layers": [
            *TASKS[task]["encoder"],
            *between,
            {"layer": "linear_actor", "name": "actor", "in_key": core, "out_key": "logits"},
            {"layer": "value_head", "name": "critic", "in_key": core, "out_key": "values", "hidden_size": 64},
        ],
        "action_head": {"layer": "action_distribution", "in_key": "logits"},
    }


def policy_file(folder, task, memory):
    """Write a policy file and return its path."""
    path = folder / f"{task}_{memory}.yaml"
    path.write_text(yaml.safe_dump(policy_of(task, memory), sort_keys=False), encoding="utf-8")
    return path
