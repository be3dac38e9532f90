"""The page on a long training, and its picture, from its result file."""

from itertools import pairwise

from tests.evidence.record import RESULTS, made_by, read_result
from tests.evidence.soak import FLAT, HANDLES, WARM_EVALUATIONS, WARM_PART, WINDOWS

__all__ = ["plot_soak", "soak_page"]

MEMORY = {
    "rss": "resident",
    "uss": "of this process alone",
    "pss": "its part of what is shared",
    "held": "of it handed out by malloc",
    "pieces": "pieces of Python's own allocator, million",
}


def soak_page():
    """Return the page."""
    result = read_result("soak")
    found, last = result["verdict"], result["runs"][-1]
    lines = [
        "# A long training",
        "",
        "<!-- made by `python -m tests.evidence` from the result file beside it, by soak_page.py -->",
        "",
        (
            f"`{result['policy']}` was trained on `{result['env']}` for {result['minutes']:g} minutes, with "
            f"TensorBoard, points to resume from every {result['settings']['checkpoint_interval']:,} agent-steps, and "
            f"at each point an evaluation of {result['episodes']} episodes by the checkpoint, read anew: "
            f"{last['evaluations']} of them."
        ),
        f"Its process was looked at from outside every {result['period_s']:g} s.",
        (
            f"It warmed up until evaluation number {WARM_EVALUATIONS}, and for {WARM_PART:.0%} of the time at least: "
            f"{found['warm_s']:.0f} s; {found['samples']} samples count, from there to the last update, between the "
            "dotted lines."
        ),
        "",
        "![Memory and handles over time](soak.png)",
        "",
        (
            f"A sample finds the process anywhere in an update, so memory is flat where the medians of {WINDOWS} "
            f"windows are all within {FLAT:.0%} of the median."
        ),
        f"The drift is what a line through the samples rises by in all the time; it may be {FLAT:.0%} too.",
        "",
        "| memory | median, MiB | medians of the windows | drift | lowest sample | highest | flat |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, text in MEMORY.items():
        one = found["memory"].get(name)
        if one is None:
            continue
        low, high = min(one["windows"]), max(one["windows"])
        parts = " | ".join(f"{one[what]:+.1%}" for what in ("drift", "lowest", "highest"))
        median = one["median"] / (1e6 if name == "pieces" else 2**20)
        cells = f"{median:.1f} | {low:+.2%} to {high:+.2%} | {parts} | {_told(one['flat'])}"
        lines.append(f"| {text} | {cells} |")
    if "held" in found["memory"]:
        lines += ["", *_in_use(result["runs"], found)]
    lines += [
        "",
        "Nothing is left open where the least that a sample of the last window finds is no more than in the first.",
        "",
        "| what | least in the first window | in the last | most ever | left open |",
        "|---|---|---|---|---|",
    ]
    for name in HANDLES:
        one = found["handles"][name]
        counts = " | ".join(str(one[what]) for what in ("first", "last", "most"))
        lines.append(f"| {name.replace('_', ' ')} | {counts} | {_told(one['leaked'])} |")
    sizes = ", ".join(
        f"{last[f'{name}_bytes'] / 2**10:,.0f} KiB {text}"
        for name, text in (
            ("metrics", "of metrics"),
            ("tensorboard", "for TensorBoard"),
            ("points", "of points to resume from"),
        )
    )
    lines += ["", f"Files at the end: {sizes}.", "", made_by("soak", result)]
    return "\n".join(lines) + "\n"


def _in_use(samples, found):
    """Return what malloc's part is, and how it rose: at once, or evaluation by evaluation."""
    kept = [one for one in samples if found["warm_s"] <= one["seconds"] <= found["until_s"]]
    risen = kept[-1]["held"] - kept[0]["held"]
    before, after = max(pairwise(kept), key=lambda pair: pair[1]["held"] - pair[0]["held"])
    step = after["held"] - before["held"]
    return [
        "What malloc has handed out is in use; the rest of what a process has is what it was given back.",
        (
            f"What is in use rose by {risen / 2**20:.2f} MiB: by {step / 2**20:.2f} MiB between two samples, "
            f"{after['seconds'] / 60:.0f} minutes after the start, and by {(risen - step) / 2**20:.2f} MiB in all the "
            "rest of the time."
        ),
        "A step that does not come again is no leak.",
    ]


def _told(yes):
    return "yes" if yes else "no"


def plot_soak():
    """Draw memory and handles over time."""
    result = read_result("soak")
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    samples, found = result["runs"], result["verdict"]
    minutes = [one["seconds"] / 60 for one in samples]
    figure, (above, below) = plt.subplots(2, 1, figsize=(8, 6), sharex=True)
    middle = found["memory"]["rss"]["median"] / 2**20
    above.plot(minutes, [one["rss"] / 2**20 for one in samples], label="resident")
    above.plot(minutes, [one["uss"] / 2**20 for one in samples], label="of this process alone")
    above.axhspan(middle * (1 - FLAT), middle * (1 + FLAT), color="C0", alpha=0.15, label="2 % around the median")
    above.set(ylabel="MiB", title=f"{result['policy']} on {result['env']}: {result['minutes']:g} minutes of training")
    for name in HANDLES:
        below.plot(minutes, [one[name] for one in samples], label=name.replace("_", " "))
    below.set(xlabel="minutes", ylabel="how many")
    for axes in (above, below):
        for edge in ("warm_s", "until_s"):
            axes.axvline(found[edge] / 60, color="black", linestyle=":", linewidth=1)
        axes.grid(alpha=0.3)
        axes.set_ylim(bottom=0)
        axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(RESULTS / "soak.png", dpi=110)
    plt.close(figure)
