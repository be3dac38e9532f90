"""`latent_attn_tiny` on MiniGrid's DoorKey-5x5, a world that it was not made for: three seeds, raw curves."""

import os
from concurrent.futures import ThreadPoolExecutor

from tests.evidence.forage import train_and_evaluate, train_command
from tests.evidence.record import commit, write_result

ENV = "minigrid:MiniGrid-DoorKey-5x5-v0"
POLICY, STEPS, SEEDS = "latent_attn_tiny", 250_000, (0, 1, 2)
OPTIONS = ("--set", "num_envs=16", "--set", "horizon=128", "--set", "gamma=0.99")


def run():
    """Train and evaluate; two processes of one thread at a time."""
    start = commit()
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        runs = list(pool.map(lambda seed: train_and_evaluate(POLICY, seed, STEPS, env=ENV, options=OPTIONS), SEEDS))
    command = " ".join(train_command(POLICY, "SEED", STEPS, "OUT", env=ENV, options=OPTIONS))
    print(write_result("doorkey", command, start, steps=STEPS, runs=runs))
