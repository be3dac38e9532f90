"""Small policies in other people's worlds, a PopGym task and a PettingZoo game, beside uniform random play."""

import tempfile
from pathlib import Path

import yaml

from glulam_train.evaluation import random_return
from tests.evidence import doorkey
from tests.evidence.forage import EPISODES, train_and_evaluate, train_command
from tests.evidence.record import commit, write_result

SEEDS = (0, 1, 2)
MEMORY = {"layer": "gru", "in_key": "encoded", "out_key": "core", "hidden_size": 64, "skip": True}
TASKS = {
    "popgym": {
        "env": "gymnasium:popgym:popgym-RepeatPreviousEasy-v0",
        "steps": 150_000,
        "settings": ("num_envs=16", "horizon=64", "gamma=0.9", "schedule=linear"),
        "memory": MEMORY,
        "normalize": False,
    },
    "pettingzoo": {
        "env": "pettingzoo:butterfly/knights_archers_zombies-v11",
        "steps": 120_000,
        "settings": ("num_envs=8", "horizon=64", "gamma=0.99", "schedule=linear", "normalize_returns=true"),
        "memory": None,
        "normalize": True,
    },
}


def run(name):
    """Train and evaluate each seed, one after another, and play at random as often."""
    start, task = commit(), TASKS[name]
    settings = [word for setting in task["settings"] for word in ("--set", setting)]
    policy = policy_of(name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "policy.yaml"
        path.write_text(yaml.safe_dump(policy, sort_keys=False), encoding="utf-8")
        runs = []
        for seed in SEEDS:
            runs.append(train_and_evaluate(str(path), seed, task["steps"], env=task["env"], options=settings))
            print(seed, runs[-1]["evaluation"], f"{runs[-1]['minutes']:.1f} min", flush=True)
    command = " ".join(train_command("POLICY.yaml", "SEED", task["steps"], "OUT", env=task["env"], options=settings))
    figures = {"env": task["env"], "steps": task["steps"], "policy": policy, "runs": runs}
    print(write_result(name, command, start, **figures, random=random_return(task["env"], EPISODES, SEEDS[0])))


def run_doorkey_random():
    """Play MiniGrid's DoorKey at random, beside what `doorkey` learned."""
    runs = [random_return(doorkey.ENV, EPISODES, SEEDS[0])]
    print(write_result("doorkey_random", "python -m tests.evidence doorkey_random", commit(), runs=runs))


def policy_of(name):
    """Return the policy file's mapping."""
    task = TASKS[name]
    core = "core" if task["memory"] else "encoded"
    encoder = {"layer": "mlp", "name": "encoder", "in_key": "vector", "out_key": "encoded", "hidden_sizes": [64]}
    return {
        "glulam": 1,
        "name": name,
        "obs_shaper": {"layer": "vector_shaper", "out_key": "vector", "normalize": task["normalize"]},
        "layers": [
            encoder | {"out_dim": 64, "activate_last": True},
            *([{"name": "memory", **task["memory"]}] if task["memory"] else []),
            {"layer": "linear_actor", "name": "actor", "in_key": core, "out_key": "logits"},
            {"layer": "value_head", "name": "critic", "in_key": core, "out_key": "values", "hidden_size": 64},
        ],
        "action_head": {"layer": "action_distribution", "in_key": "logits"},
    }
