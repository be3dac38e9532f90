"""How many times faster mettagrid's own runner plays an exported policy when agents act in groups than one by one.

    python -m tests.benchmarks.grouped [POLICY ...]

The two take turns, episode by episode, so that both see the same machine; each number is a median over steps.
"""

import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

import torch
from mettagrid.policy.loader import initialize_or_load_policy
from mettagrid.policy.policy_env_interface import PolicyEnvInterface
from mettagrid.policy.prepare_policy_spec import load_policy_spec_from_path
from mettagrid.simulator.rollout import Rollout

import glulam
from glulam_mettagrid.exporters import to_mettagrid
from glulam_mettagrid.tasks import build_task

POLICIES = ("fast", "latent_attn_tiny", "latent_attn_small", "latent_attn_med", "vit_lstm")
STEPS, ROUNDS = 64, 7
WAYS = ("grouped", "one by one", "nobody")


def main(names):
    """Print microseconds a step of the world, four agents in it, and their ratio."""
    torch.set_num_threads(1)
    print(f"us a step      {'':<12}" + "".join(f"{way:>12}" for way in WAYS) + "   ratio   ratio of the policies alone")
    for name in names or POLICIES:
        grouped, single, nobody = measure(name)
        alone = (single - nobody) / (grouped - nobody)
        print(f"{name:<27}{grouped:>12.0f}{single:>12.0f}{nobody:>12.0f}{single / grouped:>8.2f}{alone:>8.2f}")


def measure(name):
    config = build_task("forage").config
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "bundle"
        to_mettagrid(glulam.build(name, glulam.environment_spec("mettagrid:forage")), out)
        interface = PolicyEnvInterface.from_mg_cfg(config)
        policy = initialize_or_load_policy(interface, load_policy_spec_from_path(out))
    taken = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way in WAYS:
            taken[way] += play(config, policy, way)
    return [1e6 * median(taken[way]) for way in WAYS]


class Nobody:
    """An agent that does nothing, for what the runner itself takes: observations are made for it all the same."""

    infos: dict = {}  # noqa: RUF012 - never written

    def __init__(self, action):
        self.action = action

    def step(self, _):
        return self.action

    def reset(self):
        pass


def play(config, policy, way):
    """Return the seconds that each step takes."""
    count = config.game.num_agents
    idle = config.game.actions.noop.Noop()
    agents = [Nobody(idle) if way == "nobody" else policy.agent_policy(agent) for agent in range(count)]
    rollout = Rollout(config, agents, policy_group_keys=[0] * count if way == "grouped" else None)
    rollout.step()
    times = [time.perf_counter()]
    for _ in range(STEPS):
        rollout.step()
        times.append(time.perf_counter())
    return [after - before for before, after in pairwise(times)]


if __name__ == "__main__":
    main(sys.argv[1:])
