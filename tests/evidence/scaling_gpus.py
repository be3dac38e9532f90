"""What the page on scaling says of GPUs, by the arithmetic and the assumptions of scaling_model.py."""

from tests.evidence.record import read_result
from tests.evidence.scaling_model import COLLECTIVES, Gpu, all_reduce_seconds, gpu_update
from tests.evidence.tables import row, table

__all__ = ["gpu_sections"]

GPUS = (1, 8, 64)
AGENTS = 4096  # of a GPU


def gpu_sections(result):
    """Return the lines."""
    return [*_gpus(result), *_limits(result)]


def _gpus(result):
    gpu = Gpu(**result["assumed"])
    environment = min(result["environment"], key=lambda one: one["seconds"])
    settings = result["settings"]
    lines = [
        "## One, eight and 64 GPUs",
        "",
        "**Worked out, not measured.**",
        *_seen(result, gpu, environment),
        "",
        "Assumed are:",
        "",
        (
            f"* {gpu.flops / 1e12:.1f} TFLOP/s for layers of these sizes, a tenth of what an H100 is sold for in "
            f"float32, and {gpu.launch * 1e6:.0f} us from one kernel to the next, since Python starts each; a call "
            "takes the longer of the two;"
        ),
        (
            f"* {gpu.cores} cores for the environments of a GPU, each as fast as one here, on "
            f"{gpu.host_link / 1e9:.0f} GB/s to the GPU;"
        ),
        (
            f"* {gpu.node_link / 1e9:.0f} GB/s in each direction between the {gpu.node} GPUs of a machine, "
            f"{gpu.wide_link / 1e9:.0f} GB/s a GPU between machines, {gpu.hop * 1e6:.0f} us a hop: an all-reduce of n "
            "bytes takes 2 (R - 1) / R n / link + 2 log2(R) hops;"
        ),
        f"* nothing overlaps, but {gpu.cores} processes step the environments.",
        "",
        f"Milliseconds an update with {AGENTS:,} agents a GPU.",
        "The limit is the largest part, and how much quicker updates were without it.",
        "Overlapped is what comes out where environments play while the network acts, as environment workers let them.",
        "",
        *table("policy|GPUs|environment|upload|acting|learning|all-reduce|agent-steps/s of all GPUs|overlapped|limit"),
    ]
    for name, policy in result["policies"].items():
        for count in GPUS:
            parts = gpu_update(policy, AGENTS, count, environment, settings, gpu)
            whole, most = sum(parts.values()), max(parts, key=parts.get)
            hidden = min(parts["environment"], parts["upload"] + parts["acting"])
            speeds = [count * AGENTS * settings["horizon"] / time for time in (whole, whole - hidden)]
            cells = [f"`{name}`", count, *(f"{value * 1e3:.1f}" for value in parts.values())]
            cells += [f"{speed:,.0f}" for speed in speeds]
            lines.append(row([*cells, f"{most}, {whole / (whole - parts[most]):.1f} x"]))
    return [*lines, ""]


def _seen(result, gpu, environment):
    """Return what the one GPU that was lent took, beside what is worked out for it."""
    settings, name = result["settings"], "fast"
    policy, found = result["policies"][name], read_result("gpu")
    steps = [run for run in found["runs"] if run["policy"] == name and run["phase"] == "rollout"]
    (learned,) = (run for run in found["runs"] if run["policy"] == name and run["phase"] == "training")
    trained = next(run for run in found["training"] if run["policy"] == name and run["way"] == "GPU")  # fewest agents

    def worked_out(agents):
        return gpu_update(policy, agents, 1, environment, settings, gpu)

    told = [
        f"{_ours(run):.2f} ms for {agents:,} agents ({worked_out(agents)['acting'] / settings['horizon'] * 1e3:.2f})"
        for run in steps
        for agents in run["batch"]
    ]
    segments, length = learned["batch"]
    share = segments * length / (settings["epochs"] * AGENTS * settings["horizon"])
    whole = trained["agents"] * settings["horizon"] / sum(worked_out(trained["agents"]).values())
    return [
        "[One GPU](results/gpu.md) was measured since, beside a busy host; what is worked out here is in brackets.",
        f"A step of `{name}` took {' and '.join(told)}; learning from {segments * length:,} agent-steps took",
        f"{_ours(learned):.1f} ms ({worked_out(AGENTS)['learning'] * share * 1e3:.1f}).",
        f"A training of {trained['agents']} agents, in one process without workers, made",
        f"{trained['steps_per_second']:,.0f} agent-steps/s ({whole:,.0f}): kernels start more slowly than assumed, and",
        f"one process steps environments on one core, not {gpu.cores}.",
        "Take the speeds below for upper bounds.",
    ]


def _ours(run):
    return next(way["median"] for way in run["ways"] if way["what"] == "ours")


def _limits(result):
    gpu, settings = Gpu(**result["assumed"]), result["settings"]
    environment = min(result["environment"], key=lambda one: one["seconds"])
    calls, horizon = settings["epochs"] * settings["minibatches"], settings["horizon"]
    lines = [
        "## What limits, and from where on",
        "",
        "The same assumptions, solved for the size at which each thing begins to matter.",
        "",
        *table(
            "policy|gradients an update, MB|all-reduce of an update, ms: 8 GPUs|64 GPUs|agents at which 64 GPUs lose a "
            "tenth to it|cores that keep a GPU busy|agents below which acting is starting kernels|agents that fill the "
            "memory of a GPU"
        ),
    ]
    for name, policy in result["policies"].items():
        size = 4 * policy["parameters"]
        sums = [
            calls * (all_reduce_seconds(size, ranks, gpu) + COLLECTIVES * all_reduce_seconds(8, ranks, gpu))
            for ranks in GPUS[1:]
        ]
        parts = gpu_update(policy, AGENTS, 1, environment, settings, gpu)
        network = parts["acting"] + parts["learning"]
        busy = horizon * AGENTS * environment["seconds"] / network
        fills = gpu.memory * gpu.memory_for_experience / (horizon * policy["experience_bytes"])
        tenth = _agents_losing_a_tenth(policy, environment, settings, gpu)
        starting = policy["acting"]["kernels"] * gpu.launch * gpu.flops / policy["acting"]["flops"]
        cells = [f"`{name}`", f"{calls * size / 1e6:.0f}", *(f"{value * 1e3:.2f}" for value in sums)]
        lines.append(row([*cells, tenth, f"{busy:.0f}", f"{starting:,.0f}", f"{fills:,.0f}"]))
    return [
        *lines,
        "",
        (
            f"Cores that keep a GPU busy are those whose environments play as fast as the network of {AGENTS:,} "
            "agents acts and learns."
        ),
        (
            f"Memory is full where {gpu.memory_for_experience:.0%} of {gpu.memory / 1e9:.0f} GB hold experience, "
            f"{horizon} steps of each agent."
        ),
        "",
        (
            "The rate that the layers reach is what all this hangs on most: at three times it, "
            f"{_with_environment_first(result, 3 * gpu.flops)} of {len(result['policies'])} policies are limited by "
            f"the environment, and {_with_environment_first(result, gpu.flops)} at the one assumed."
        ),
        "",
    ]


def _with_environment_first(result, flops):
    """Return how many policies are limited by the environment on one GPU of such a rate."""
    gpu = Gpu(**result["assumed"] | {"flops": flops})
    environment = min(result["environment"], key=lambda one: one["seconds"])
    found = [
        gpu_update(policy, AGENTS, 1, environment, result["settings"], gpu) for policy in result["policies"].values()
    ]
    return sum(max(parts, key=parts.get) == "environment" for parts in found)


def _agents_losing_a_tenth(policy, environment, settings, gpu):
    """Return the least power of two of agents a GPU at which 64 GPUs spend no more than a tenth on sums."""
    for power in range(2, 21):
        parts = gpu_update(policy, 2**power, GPUS[-1], environment, settings, gpu)
        if parts["all-reduce"] <= sum(parts.values()) / 10:
            return f"below {2**power:,}"
    return "more than a million"
