"""What an update of PPO takes, as arithmetic: docs/scaling.md says it in words.

Legend: `A` agents of a rank, `H` steps of a rollout, `E` epochs, `M` minibatches, `R` ranks, `P` parameters.
"""

import math

import attrs

__all__ = ["ASSUMED", "COLLECTIVES", "Costs", "Gpu", "gpu_update", "update_seconds"]

COLLECTIVES = 3  # of a minibatch, beside the gradients': the sum of the loss, shares and moments of the advantages


@attrs.frozen
class Costs:
    """Seconds: what a step of rollout and a minibatch take whatever their size, and what each agent-step adds."""

    rollout_call: float
    rollout_agent_step: float
    training_call: float
    training_agent_step: float

    @classmethod
    def fitted(cls, few, many, settings):
        """Return costs from two measurements, `{"agents", "rollout", "training"}`, times in seconds an update."""
        horizon, calls = settings["horizon"], settings["epochs"] * settings["minibatches"]
        numbers = []
        for what, count, each in (
            ("rollout", horizon, 1),
            ("training", calls, horizon * settings["epochs"] / calls),
        ):
            low, high = (one[what] / count for one in (few, many))
            slope = (high - low) / ((many["agents"] - few["agents"]) * each)
            numbers += [max(0.0, low - slope * few["agents"] * each), slope]
        return cls(*numbers)


def update_seconds(costs, agents, settings, *, slowdown=1.0, exchange=0.0, latency=0.0):
    """Return the seconds of an update.

    Args:
        costs: of one rank by itself.
        agents: A.
        settings: `horizon`, `epochs`, `minibatches`.
        slowdown: what the ranks of a machine cost each other by being there: processes a core, memory, caches.
        exchange: seconds to add up the gradients of a minibatch, the wait for the last rank among them.
        latency: seconds of a collective of a few bytes.
    """
    horizon, epochs, minibatches = (settings[name] for name in ("horizon", "epochs", "minibatches"))
    rollout = horizon * (costs.rollout_call + costs.rollout_agent_step * agents)
    each = costs.training_call + costs.training_agent_step * agents * horizon / minibatches
    return slowdown * (rollout + epochs * minibatches * each) + epochs * minibatches * (
        exchange + COLLECTIVES * latency
    )


@attrs.frozen
class Gpu:
    """What is assumed of GPUs and of the machines that they are in; docs/results/gpu.md has what one took since."""

    flops: float = 6.7e12  # a second that layers as small as these reach: a tenth of 67e12 in float32
    launch: float = 5e-6  # seconds from one kernel to the next, where Python starts each
    memory: float = 80e9  # bytes
    memory_for_experience: float = 0.5  # part
    cores: int = 16  # for the environments of a GPU, each as fast as one here
    host_link: float = 25e9  # bytes a second from the host to its GPU
    node: int = 8  # GPUs of a machine
    node_link: float = 450e9  # bytes a second and direction between the GPUs of a machine
    wide_link: float = 50e9  # bytes a second a GPU between machines, 400 Gb/s
    hop: float = 10e-6  # seconds of a step of a collective


ASSUMED = Gpu()


def all_reduce_seconds(size, ranks, gpu=ASSUMED):
    """Return the seconds of an all-reduce of `size` bytes: a ring's bytes over the narrowest link, a tree's steps."""
    if ranks == 1:
        return 0.0
    link = gpu.node_link if ranks <= gpu.node else gpu.wide_link
    return 2 * (ranks - 1) / ranks * size / link + 2 * math.ceil(math.log2(ranks)) * gpu.hop


def gpu_update(policy, agents, ranks, environment, settings, gpu=ASSUMED):
    """Return the seconds of an update on GPUs by part.

    Args:
        policy: `parameters`; `acting` and `learning`, each with `flops` an agent-step and `kernels` a call.
        agents: A, of each GPU.
        ranks: R.
        environment: seconds an agent-step on one core, `bytes` of an observation.
        settings: `horizon`, `epochs`, `minibatches`.
        gpu: the assumptions.
    """
    horizon, calls = settings["horizon"], settings["epochs"] * settings["minibatches"]
    rows = agents * horizon / settings["minibatches"]

    def network(what, steps):
        return max(policy[what]["kernels"] * gpu.launch, steps * policy[what]["flops"] / gpu.flops)

    return {
        "environment": horizon * agents * environment["seconds"] / gpu.cores,
        "upload": horizon * agents * environment["bytes"] / gpu.host_link,
        "acting": horizon * network("acting", agents),
        "learning": calls * network("learning", rows),
        "all-reduce": calls
        * (all_reduce_seconds(4 * policy["parameters"], ranks, gpu) + COLLECTIVES * all_reduce_seconds(8, ranks, gpu)),
    }
