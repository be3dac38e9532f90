"""The page on memory, experience, resuming and TorchRL, from its result files."""

import statistics

from tests.evidence.record import RESULTS, made_by, read_result

__all__ = ["memory_page", "plot_memory"]

TASKS = {
    "memory_tmaze": "`mettagrid:tmaze`: a lamp at the start says which of two altars pays 1; half of it is luck.",
    "memory_minigrid": (
        "`minigrid:MiniGrid-MemoryS11-v0`: an object at the start says which way to turn at the end, where a guess is "
        "right half of the time.\nEach policy begins with the weights that it learned on the smaller MemoryS7."
    ),
}
FILES = (*TASKS, "memory", "experience", "killed", "torchrl_cartpole", "downstream_torchrl")


def memory_page():
    """Return the page."""
    results = {name: read_result(name) for name in FILES}
    lines = [
        "# Memory and experience",
        "",
        "<!-- made by `python -m tests.evidence` from the result files beside it, by memory_page.py -->",
        "",
        "## What memory solves",
        "",
        "The same policy with each memory layer, and with none.",
        "The return is one agent's over one episode, played after training on episodes not seen in it.",
        "With five seeds a kind, one LSTM and one GRU did not have the maze at the end of their training:",
        "[kinds of memory](lessons.md#kinds-of-memory).",
        "",
    ]
    for name, text in TASKS.items():
        lines += [text, "", *_task(results[name]), ""]
    lines += ["![Return against agent-steps, by memory](memory.png)", "", *_costs(results["memory"]), ""]
    lines += [*_experience(results["experience"]), "", *_killed(results["killed"]), ""]
    lines += [*_torchrl(results["torchrl_cartpole"], results["downstream_torchrl"]), ""]
    lines += [made_by(name, result) for name, result in results.items()]
    return "\n".join(lines) + "\n"


def _task(result):
    lines = ["| memory | seed | agent-steps | minutes | return (95 % interval) |", "|---|---|---|---|---|"]
    for run in result["runs"]:
        found = run["evaluation"]
        told = "failed" if found is None else f"{found['return_mean']:.3f} ± {found['return_ci95']:.3f}"
        lines.append(
            f"| `{run['memory']}` | {run['seed']} | {run['agent_steps']:,} | {run['minutes']:.1f} | {told} |".replace(
                "`none`", "none"
            )
        )
    return lines


def _costs(result):
    shapes = result["shapes"]
    lines = [
        "## What memory costs",
        "",
        (
            f"Milliseconds of CPU time, one thread, {result['rounds']} interleaved rounds; training is forward and "
            f"backward over {shapes['rows']} rows of {shapes['steps']} steps, width {shapes['width']}, "
            f"{shapes['resets']:.0%} of the steps being resets; ratios are medians within rounds, with quartiles."
        ),
        "",
        "| what | median | against | ratio | quartiles |",
        "|---|---|---|---|---|",
    ]
    for run in result["runs"]:
        peer = run.get("against", "")
        ratio = f"{run['ratio']:.2f} | {run['quartiles'][0]:.2f}-{run['quartiles'][1]:.2f}" if peer else "|"
        lines.append(f"| {run['what']} | {run['median'] / run.get('repeats', 1):.2f} | {peer} | {ratio} |")
    return lines


def _experience(result):
    lines = [
        "## What is stored",
        "",
        "| policy | declared bytes a step | stored | ratio |",
        "|---|---|---|---|",
    ]
    for run in result["runs"]:
        declared, stored = run["declared_bytes_a_step"], run["stored_bytes_a_step"]
        lines.append(f"| `{run['policy']}` | {declared:.1f} | {stored:.1f} | {run['ratio']:.3f} |")
    times = {name: row["median"] for name, row in result["microseconds"].items()}
    told = ", ".join(f"{name.replace('_', ' ')} {median:,.0f}" for name, median in times.items())
    return [*lines, "", f"Microseconds for 128 agents of `mettagrid:forage`: {told}."]


def _killed(result):
    runs = result["runs"]
    in_save = sum(run["in_save"] for run in runs)
    return [
        "## Killed and resumed",
        "",
        (
            f"{len(runs)} runs were killed with `kill -9`, {in_save} of them while a point was written, and resumed: "
            f"{result['same']} ended with the metrics and the checkpoint of a run that nobody killed, to the digit."
        ),
    ]


def _torchrl(loop, old):
    lines = [
        "## TorchRL",
        "",
        f"An LSTM policy in TorchRL's `Collector`, `GAE` and `ClipPPOLoss` on CartPole-v1, {loop['steps']:,} steps:",
        "",
        "| seed | minutes | return, deterministic | return, sampled |",
        "|---|---|---|---|",
    ]
    for run in loop["runs"]:
        means = [statistics.mean(run["returns"][way]) for way in ("deterministic", "sampled")]
        lines.append(f"| {run['seed']} | {run['minutes']:.1f} | {means[0]:.1f} | {means[1]:.1f} |")
    lines += [
        "",
        (
            f"The law that a sequence gives what its steps give, outputs and states, was drawn {old['examples']} times "
            "for TorchRL's own `LSTMModule` and for `lstm`:"
        ),
        "",
        "| what | draws that disagree |",
        "|---|---|",
        *(f"| {run['label']} | {run['disagree']} |" for run in old["runs"]),
        "",
        "TorchRL up to 0.12 loses the state of rows whose last episode is shorter than the longest of the batch.",
        "Its documentation says that the last state of such a call should not be trusted.",
    ]
    return lines


def plot_memory():
    """Draw the curves of both tasks, one line a seed."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(TASKS), figsize=(10, 4), layout="constrained")
    for axes, name in zip(panels, TASKS, strict=True):
        result = read_result(name)
        memories = list(dict.fromkeys(run["memory"] for run in result["runs"]))
        for run in result["runs"]:
            points = [(row["agent_steps"] / 1e3, row["return_mean"]) for row in run["curve"] if row["return_mean"]]
            label = run["memory"] if run["seed"] == 0 else None
            color = "black" if run["memory"] == "none" else f"C{memories.index(run['memory'])}"
            axes.plot(*zip(*points, strict=True), color=color, alpha=0.7, label=label)
        axes.set(xlabel="thousand agent-steps", ylabel="return of an episode", title=result["env"])
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(RESULTS / "memory.png", dpi=110)
    plt.close(figure)
