"""The three policy classes, trained and evaluated by the commands: each is saved and loaded again on the way."""

import os
from concurrent.futures import ThreadPoolExecutor

from tests.evidence.forage import ENV, train_and_evaluate
from tests.evidence.record import commit, write_result

CARTPOLE = ("--set", "num_envs=8", "--set", "horizon=128", "--set", "gamma=0.99", "--set", "learning_rate=2.5e-3")
CASES = {
    "ensemble_class": {"env": ENV, "steps": 200_000},
    "fast_class": {"env": ENV, "steps": 200_000},
    "mlp_class": {"env": "gymnasium:CartPole-v1", "steps": 150_000, "options": CARTPOLE},
}


def run():
    """Train and evaluate each once; two processes of one thread at a time."""
    start = commit()

    def one(name):
        case = dict(CASES[name])
        return {"policy": name, **CASES[name], **train_and_evaluate(name, 0, case.pop("steps"), **case)}

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        runs = list(pool.map(one, CASES))
    print(write_result("custom_policies", "python -m tests.evidence custom_policies", start, runs=runs))
