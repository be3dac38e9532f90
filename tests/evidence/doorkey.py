"""`latent_attn_tiny` on MiniGrid's DoorKey-5x5, a world that it was not made for: three seeds, raw curves."""

import os
from concurrent.futures import ThreadPoolExecutor

from tests.evidence.forage import train_and_evaluate, train_command
from tests.evidence.record import commit, write_result

ENV = "minigrid:MiniGrid-DoorKey-5x5-v0"
POLICY, STEPS, SEEDS = "latent_attn_tiny", 250_000, (0, 1, 2)
OPTIONS = ("--set", "num_envs=16", "--set", "horizon=128", "--set", "gamma=0.99")
# A policy that has solved it explores no more, and with a rate that stays high one step too long can undo it for good.
FALLING = (*OPTIONS, "--set", "schedule=linear")
CASES = {"doorkey": FALLING, "doorkey_constant_rate": OPTIONS}


def run(name="doorkey"):
    """Train and evaluate; two processes of one thread at a time."""
    start, options = commit(), CASES[name]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        runs = list(pool.map(lambda seed: train_and_evaluate(POLICY, seed, STEPS, env=ENV, options=options), SEEDS))
    command = " ".join(train_command(POLICY, "SEED", STEPS, "OUT", env=ENV, options=options))
    print(write_result(name, command, start, steps=STEPS, runs=runs))
