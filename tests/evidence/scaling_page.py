"""The page on what training costs at any size, from its result file and the arithmetic of scaling_model.py."""

from tests.evidence.record import made_by, read_result
from tests.evidence.scaling_gpus import gpu_sections
from tests.evidence.scaling_model import COLLECTIVES
from tests.evidence.tables import row, table

__all__ = ["scaling_page"]


def scaling_page():
    """Return the page."""
    result = read_result("scaling")
    sections = (_head, _counted, _environment, _costs, _links, _checked, gpu_sections)
    lines = [line for section in sections for line in section(result)]
    return "\n".join([*lines, made_by("results/scaling", result)]) + "\n"


def _head(result):
    settings = result["settings"]
    return [
        "# What training costs at any size",
        "",
        "<!-- made by `python -m tests.evidence` from results/scaling.json, by tests/evidence/scaling_page.py -->",
        "",
        "How long an update takes is a sum of few terms, each counted from the code or measured.",
        "This page has the terms, what they foretell, and how far that is from what is measured.",
        *_busy(result),
        "",
        "`A` agents of a rank play `H` steps, and learn from them `E` times over in `M` minibatches; `R` ranks do so.",
        (
            f"The trainer's defaults, and all figures here, are H = {settings['horizon']}, E = {settings['epochs']}, "
            f"M = {settings['minibatches']}, on `mettagrid:forage`."
        ),
        "",
        "<!-- read: a formula -->",
        "```text",
        "t = s(R) [ H (r0 + r1 A)  +  E M (l0 + l1 A H / M) ]  +  E M (g(P, R) + w(R) + c g(0, R))",
        "agent-steps a second = R A H / t",
        "```",
        "",
        (
            "* `r0` is what a step of rollout takes whatever the number of agents, `r1` what each agent adds: "
            "environment and network."
        ),
        "* `l0` is what a minibatch takes whatever its size, `l1` what each agent-step in it adds.",
        "* `s` is how much ranks of one machine slow each other: processes a core, memory, caches. Alone it is 1.",
        (
            f"* `g(P, R)` is the time to add up P gradients over R ranks, `w(R)` the wait for the last of them, and "
            f"c = {COLLECTIVES} the other sums of a minibatch, of a few bytes each."
        ),
        "",
        (
            "So cost grows linearly in agents, epochs and horizon, and a rank more adds as much experience as it adds "
            "cost, until `s` or `g` tells."
        ),
        "",
    ]


def _counted(result):
    lines = [
        "## What a policy asks for",
        "",
        (
            "Counted: parameters, bytes of gradients that a rank sends in each minibatch, bytes of experience that an "
            "agent-step takes in the buffer, floating-point operations of matrix products and convolutions, and "
            "operations on tensors a call, which on a GPU are kernels to start."
        ),
        "Learning is forward and backward, once.",
        "",
        *table(
            "policy|parameters|gradients, MB|experience, bytes|acting, MFLOP|learning, MFLOP|kernels, acting|learning"
        ),
    ]
    for name, policy in result["policies"].items():
        acting, learning = policy["acting"], policy["learning"]
        cells = [
            f"`{name}`", f"{policy['parameters']:,}", f"{4e-6 * policy['parameters']:.2f}",
            f"{policy['experience_bytes']:,.0f}", f"{acting['flops'] / 1e6:.2f}", f"{learning['flops'] / 1e6:.2f}",
            f"{acting['kernels']:,}", f"{learning['kernels']:,}",
        ]  # fmt: skip
        lines.append(row(cells))
    lines += [
        "",
        f"Measured on one core with {_agents(result)} agents, microseconds an agent-step, and what goes where.",
        (
            "The last column is the rate of operations, against a product of two matrices of 1,024 rows and columns, "
            f"which reaches {result['matrix_product'] / 1e9:.0f} GFLOP/s here."
        ),
        "",
        *table("policy|rollout|training|environment|acting|scoring|gradients, Adam|rest|agent-steps/s|GFLOP/s"),
    ]
    epochs = result["settings"]["epochs"]
    for name, policy in result["policies"].items():
        found = policy["bench"]
        whole = found["rollout"] + found["training"]
        each = [value / found["agent_steps"] * 1e6 for value in (found["rollout"], found["training"])]
        each += [value / found["agent_steps"] * 1e6 for value in found["parts"].values()]
        done = (policy["acting"]["flops"] + epochs * policy["learning"]["flops"]) * found["agent_steps"] / whole
        cells = [f"`{name}`", *(f"{value:.0f}" for value in each), f"{found['agent_steps'] / whole:,.0f}"]
        lines.append(row([*cells, f"{done / 1e9:.0f} ({done / result['matrix_product']:.0%})"]))
    return [*lines, ""]


def _agents(result):
    return next(iter(result["policies"].values()))["bench"]["agents"]


def _environment(result):
    lines = [
        "## What a core can play",
        "",
        (
            "The environment alone, random actions, new episodes included: so many agent-steps a second are the most "
            "that a core can give to any policy."
        ),
        "",
        *table("agents|microseconds an agent-step|agent-steps/s of a core"),
    ]
    rows = [(one["agents"], one["seconds"]) for one in result["environment"]]
    lines += [row([f"{agents:,}", f"{each * 1e6:.1f}", f"{1 / each:,.0f}"]) for agents, each in rows]
    return [*lines, ""]


def _costs(result):
    costs = result["costs"]
    told = [f"{costs[name] * 1e3:.2f} ms" for name in ("rollout_call", "training_call")]
    told += [f"{costs[name] * 1e6:.1f} us" for name in ("rollout_agent_step", "training_agent_step")]
    return [
        "## The terms of `fast` on one core",
        "",
        f"Fitted to two measurements, of {result['fitted'][0]} and of {result['fitted'][1]} agents:",
        "",
        f"r0 = {told[0]}, l0 = {told[1]}, r1 = {told[2]}, l1 = {told[3]}.",
        "",
    ]


def _links(result):
    lines = [
        "## What ranks cost each other here",
        "",
        (
            "`s` is a process a core, times how much slower an update is while another process trains beside it and "
            "knows nothing of it."
        ),
        (
            "`g` is the median time of the trainer's own sum of gradients, by gloo within one machine, when all ranks "
            f"come to it at once; `w` is how much longer it takes amid updates of {result['fitted'][0]} agents a rank."
        ),
        "",
        *table("ranks|s|w, ms|a few bytes, ms|" + "|".join(f"`{name}`, ms" for name in result["policies"])),
    ]
    for ranks, link in result["links"].items():
        if ranks != "1":
            times = [link["wait"], link["latency"], *link["exchanges"].values()]
            lines.append(row([ranks, f"{link['slowdown']:.2f}", *(f"{value * 1e3:.2f}" for value in times)]))
    return [*lines, ""]


def _busy(result):
    """Say so where other jobs ran beside the ranks, whose times are worth little then."""
    if result["load"] <= max(run["ranks"] for run in result["runs"]) + 1:
        return []
    load, cores = f"{result['load']:.0f}", result["machine"]["cores"]
    return [f"**The {cores} cores had {load} jobs while this was measured: the wall times on this page are too long.**"]


def _checked(result):
    errors = sorted(abs(one["error"]) for one in result["runs"])
    cores = result["machine"]["cores"]
    lines = [
        "## Foretold and measured",
        "",
        (
            f"`{result['checked']}`, whole updates, on {cores} cores, medians of {len(result['rounds'])} rounds; the "
            "terms come from other runs, but `w`, which one size of each number of ranks gives."
        ),
        (
            "The error is how much longer an update took than foretold: "
            f"{errors[len(errors) // 2]:.0%} in the middle, {errors[-1]:.0%} at most."
        ),
        "",
        *table("ranks|agents in all|agent-steps/s, foretold|measured|error"),
    ]
    for one in result["runs"]:
        speeds = [f"{one[what]:,.0f}" for what in ("foretold", "measured")]
        lines.append(row([one["ranks"], f"{one['agents']:,}", *speeds, f"{one['error']:+.0%}"]))
    return [*lines, ""]
