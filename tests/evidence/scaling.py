"""What training costs against agents, ranks and models: counted, measured, and foretold; docs/scaling.md says how.

`python -m tests.evidence scaling`. Counted are parameters, bytes of experience, floating-point operations and kernels
of each policy. Measured are a step of the environment, rollout and training of each policy, and sums of gradients over
two and four processes. From these the arithmetic of scaling_model.py foretells the agent-steps a second of other
numbers of agents and ranks, which are then measured too.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import attrs
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

import glulam
from glulam_train.bench import bench
from glulam_train.settings import TrainSettings
from glulam_train.trainer import Trainer
from tests.evidence.record import ROOT, commit, write_result
from tests.evidence.scaling_model import ASSUMED, Costs, update_seconds

__all__ = ["run"]

ENV, POLICIES = "mettagrid:forage", ("fast", "latent_attn_tiny", "latent_attn_small", "latent_attn_med", "vit_lstm")
CHECKED = "fast"
AGENTS = (16, 32, 64, 128, 256, 512, 1024)  # in all, over the ranks
RANKS = (1, 2, 4)
LEAST = 16  # agents of a rank
FITTED = (32, 512)  # agents of the two measurements that costs are fitted to
BESIDE = 128  # agents of a process that another one may slow
ROUNDS, UPDATES = 3, 2
EPISODE = 128  # steps
SIZES = ("num_envs", "horizon", "epochs", "minibatches")


def run(rounds=ROUNDS, agents=AGENTS):
    """Count, measure, foretell, compare, and write docs/results/scaling.json.

    Args:
        rounds: how often costs, and the speeds to compare with, are measured.
        agents: in all, over the ranks.
    """
    start, load = commit(), os.getloadavg()[0]
    torch.set_num_threads(1)
    settings = {name: getattr(TrainSettings(policy=CHECKED, env=ENV), name) for name in SIZES}
    environment, product = [environment_step(count) for count in agents], matrix_product()
    print(environment, product, flush=True)
    policies = {}
    for name in POLICIES:
        policies[name] = counted(name) | {"bench": measured(name)}
        print(name, policies[name], flush=True)
    costs, found = [], []
    for _ in range(rounds):
        costs.append(fitted(settings))
        found.append([*(asked(ranks, agents) for ranks in RANKS), *alone_and_beside()])
        print(costs[-1], found[-1], flush=True)
    chosen = Costs(*(statistics.median(column) for column in zip(*map(attrs.astuple, costs), strict=True)))
    links, runs = links_and_speeds(found)
    runs = [one | compared(one, chosen, links, settings) for one in runs]
    path = write_result(
        "scaling",
        "python -m tests.evidence scaling" + ("" if (rounds, agents) == (ROUNDS, AGENTS) else f", {rounds} rounds"),
        start,
        settings=settings,
        environment=environment,
        matrix_product=product,
        policies=policies,
        checked=CHECKED,
        fitted=FITTED,
        costs=attrs.asdict(chosen),
        links=links,
        assumed=attrs.asdict(ASSUMED),
        rounds=found,
        load=max(load, os.getloadavg()[0]),
        runs=runs,
    )
    print(path)


def environment_step(agents):
    """Return the CPU time of an agent-step on one core with random actions, ends of episodes included."""
    spec = glulam.environment_spec(ENV)
    with closing(glulam.make_environment(ENV, num_envs=agents // spec.num_agents, seed=0)) as world:
        size = world.reset()["env_obs"][0].nbytes
        actions = torch.randint(spec.num_actions, (2 * EPISODE, agents))
        taken = []
        for part in actions.split(EPISODE):
            start = time.process_time()
            for row in part:
                world.step(row)
            taken.append((time.process_time() - start) / part.numel())
    return {"agents": agents, "seconds": min(taken), "bytes": size}


def matrix_product(size=1024, repeats=20):
    """Return the floating-point operations a second of a product of two square matrices on one core."""
    left, right = torch.randn(2, size, size)
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        torch.mm(left, right)
        taken.append(time.process_time() - start)
    return 2 * size**3 / statistics.median(taken)


def counted(name):
    """Return the sizes of a policy, and what an agent-step of it asks for."""
    settings = TrainSettings(policy=name, env=ENV, num_envs=8, epochs=1, minibatches=1)
    with closing(glulam.make_environment(ENV, num_envs=settings.num_envs, seed=0)) as world:
        policy = glulam.build(name, world.spec, losses=settings.losses)
        trainer = Trainer(policy, world, settings)
        trainer.update()
        steps = trainer.rollout.rows * settings.horizon
        td = world.reset()

        @torch.no_grad()
        def acting():
            policy(td.clone())

        def learning():
            (part,) = trainer.buffer.minibatches(1)
            trainer._learn(*trainer._evaluate(part))

        return {
            "parameters": sum(weight.numel() for weight in policy.parameters()),
            "experience_bytes": trainer.buffer.bytes / steps,
            "acting": {"flops": flops(acting) / trainer.rollout.rows, "kernels": kernels(acting)},
            "learning": {"flops": flops(learning) / steps, "kernels": kernels(learning)},
        }


def flops(call):
    """Return the floating-point operations of matrix products and convolutions in a call."""
    with torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as counter:  # its LSTM is opaque
        call()
    return counter.get_total_flops()


def kernels(call):
    """Return how many operations on tensors a call makes, but for views of them."""
    with Counting() as counter:
        call()
    return counter.count


class Counting(TorchDispatchMode):
    """Counts operations that do something."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        view = func.is_view or func.namespace == "prim" or func.overloadpacket.__name__ in {"detach", "empty"}
        self.count += not view
        return func(*args, **(kwargs or {}))


def measured(name, updates=3, num_envs=32):
    """Return what an agent-step takes in rollout and in training, and where the time goes."""
    report = bench(TrainSettings(policy=name, env=ENV, num_envs=num_envs, threads=1), updates)
    steps = report["agent_steps_per_update"]
    return {
        "agents": report["agents"],
        "rollout": steps / report["rollout_steps_per_second"],
        "training": steps / report["training_steps_per_second"],
        "agent_steps": steps,
        "parts": report["seconds_per_update"],
    }


def fitted(settings):
    """Return the costs of one rank by itself."""
    agents = glulam.environment_spec(ENV).num_agents
    return Costs.fitted(*(measured(CHECKED, UPDATES, size // agents) for size in FITTED), settings)


def asked(ranks, agents):
    """Return what so many ranks measure, each number of agents dealt out to them."""
    sizes = [total // ranks for total in agents if total // ranks >= LEAST]
    (found,) = processes([rank_command(ranks, sizes)])
    return found


def alone_and_beside():
    """Return what a process measures by itself, and what two do at the same time that know nothing of each other."""
    command = rank_command(1, [BESIDE], updates=4)
    found = []
    for ranks, commands in (("one by itself", [command]), ("two by themselves", [command] * 2)):
        # The last update of two may have been alone.
        seconds = [second for one in processes(commands) for second in one["updates"][0]["seconds"][:-1]]
        found.append({"ranks": ranks, "updates": [{"agents": BESIDE, "seconds": seconds}]})
    return found


def rank_command(ranks, sizes, updates=UPDATES):
    question = {"policy": CHECKED, "env": ENV, "agents": sizes, "updates": updates, "exchanges": POLICIES}
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)] if ranks > 1 else []
    return [sys.executable, *launcher, "-m", "tests.evidence.scaling_rank", json.dumps(question)]


def processes(commands):
    """Start all at once, and return what each prints."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen(command, cwd=Path(ROOT), env=environment, stdout=subprocess.PIPE) for command in commands
    ]
    told = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        sys.exit(f"a measurement failed: {commands}")
    return [json.loads(text) for text in told]


def links_and_speeds(rounds):
    """Return what ranks cost each other, and the speed of each number of ranks and agents; medians of the rounds."""
    by_ranks = {ranks: [one for each in rounds for one in each if one["ranks"] == ranks] for ranks in RANKS}
    runs = []
    for ranks, found in by_ranks.items():
        for place, update in enumerate(found[0]["updates"]):
            seconds = statistics.median(second for one in found for second in one["updates"][place]["seconds"])
            runs.append({"ranks": ranks, "agents": ranks * update["agents"], "seconds": seconds})
    slower = statistics.median(
        statistics.median(two["updates"][0]["seconds"]) / statistics.median(one["updates"][0]["seconds"])
        for *_, one, two in rounds
    )
    links = {}
    for ranks in RANKS:
        found = by_ranks[ranks]
        exchanges = {name: statistics.median(one["exchanges"].get(name, 0.0) for one in found) for name in POLICIES}
        amid = statistics.median(
            update["exchange"] for one in found for update in one["updates"] if update["agents"] == FITTED[0]
        )
        links[str(ranks)] = {
            # Processes cannot speed each other: less than 1 is noise.
            "slowdown": max(1.0, ranks / os.cpu_count()) * (max(1.0, slower) if ranks > 1 else 1.0),
            "latency": statistics.median(one["latency"] for one in found),
            "exchanges": exchanges,
            "wait": max(0.0, amid - exchanges[CHECKED]) if ranks > 1 else 0.0,
        }
    return links, runs


def compared(one, costs, links, settings):
    """Return the measured and the foretold agent-steps a second."""
    link = links[str(one["ranks"])]
    told = update_seconds(
        costs,
        one["agents"] / one["ranks"],
        settings,
        slowdown=link["slowdown"],
        exchange=link["exchanges"][CHECKED] + link["wait"],
        latency=link["latency"],
    )
    steps = one["agents"] * settings["horizon"]
    return {"measured": steps / one["seconds"], "foretold": steps / told, "error": one["seconds"] / told - 1}
