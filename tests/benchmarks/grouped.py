"""How many times faster mettagrid's own runner plays an exported policy when agents act in groups than one by one.

    python -m tests.benchmarks.grouped

The two take turns, episode by episode, so that both see the same machine; each number is a median over steps.
`forage` has four agents; with more of them in its world a call for all is shared by more.
"""

import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles

import torch
from mettagrid.policy.loader import initialize_or_load_policy
from mettagrid.policy.policy_env_interface import PolicyEnvInterface
from mettagrid.policy.prepare_policy_spec import load_policy_spec_from_path
from mettagrid.simulator.rollout import Rollout

import glulam
from glulam_mettagrid.exporters import to_mettagrid
from glulam_mettagrid.tasks import build_task
from tests.evidence.record import commit, write_result

__all__ = ["run"]

POLICIES = ("fast", "latent_attn_tiny", "latent_attn_small", "latent_attn_med", "vit_lstm")
AGENTS = (4, 16)
STEPS, ROUNDS = 64, 15
WAYS = ("grouped", "one by one", "nobody")


def run():
    """Measure and write docs/results/grouped.json: microseconds in which all agents of a world make a step."""
    started = commit()
    torch.set_num_threads(1)
    runs = []
    for agents in AGENTS:
        for name in POLICIES:
            runs.append({"policy": name, "agents": agents, **measure(name, agents)})
            print(runs[-1], flush=True)
    command = "python -m tests.evidence grouped"
    return write_result("grouped", command, started, runs=runs, unit="us a step of all agents", rounds=ROUNDS)


def measure(name, agents):
    """Return the median step of each way, and how many times slower one by one is, with quartiles over rounds."""
    config = build_task("forage").config
    config.game.num_agents = config.game.map_builder.agents = agents
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "bundle"
        to_mettagrid(glulam.build(name, glulam.environment_spec("mettagrid:forage")), out)
        interface = PolicyEnvInterface.from_mg_cfg(config)
        policy = initialize_or_load_policy(interface, load_policy_spec_from_path(out))
    taken = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way in WAYS:
            taken[way].append(1e6 * median(play(config, policy, way)))
    grouped, single, nobody = (taken[way] for way in WAYS)
    whole = [one / group for one, group in zip(single, grouped, strict=True)]
    alone = [(one - none) / (group - none) for one, group, none in zip(single, grouped, nobody, strict=True)]
    return {
        **{way: round(median(times), 1) for way, times in taken.items()},
        "ratio": round(median(whole), 3),
        "quartiles": [round(value, 3) for value in quantiles(whole)[::2]],
        "ratio_of_policies": round(median(alone), 3),
    }


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
    run()
