"""Pages and plots made from result files, so that no figure is typed by hand."""

import json

from tests.evidence.record import RESULTS

__all__ = ["PAGES", "write_pages"]

POLICIES = ("fast", "latent_attn_tiny")


def write_pages():
    """Write the pages of docs/results and their plot."""
    for name, page in PAGES.items():
        (RESULTS / f"{name}.md").write_text(page(), encoding="utf-8")
    _plot()


def forage_page():
    """Return the page on `mettagrid:forage`, from its result files."""
    lines = [
        "# Training on mettagrid:forage",
        "",
        "<!-- made by `python -m tests.evidence` from the result files beside it; edit tests/evidence/pages.py -->",
        "",
        "Each row is one seed: trained with one thread, then played on episodes not seen in training.",
        "The return is one agent's over one episode; a random agent earns about 0.9.",
        "Minutes are wall time on a machine that ran other jobs beside these: upper bounds.",
        "",
        "| policy | seed | agent-steps | minutes | return (95 % interval) | episodes |",
        "|---|---|---|---|---|---|",
    ]
    for name in POLICIES:
        result = json.loads((RESULTS / f"forage_{name}.json").read_text(encoding="utf-8"))
        lines += [_row(name, run) for run in result["runs"]]
    lines += ["", "![Return against agent-steps, three seeds a policy](forage.png)", ""]
    for name in POLICIES:
        result = json.loads((RESULTS / f"forage_{name}.json").read_text(encoding="utf-8"))
        lines += [
            (
                f"`{name}`: `{result['command']}` at commit `{result['commit'][:12]}`, "
                f"torch {result['versions']['torch']}, mettagrid {result['versions']['mettagrid']}, "
                f"{result['machine']['cores']} cores of {result['machine']['processor']}."
            ),
            f"The raw curves are in {{download}}`forage_{name}.json`.",
            "",
        ]
    return "\n".join(lines).rstrip() + "\n"


def initialisation_page():
    """Return the page on what decides whether `fast` learns."""
    result = json.loads((RESULTS / "initialisation.json").read_text(encoding="utf-8"))
    lines = [
        "# Initialisation",
        "",
        "<!-- made by `python -m tests.evidence` from the result file beside it; edit tests/evidence/pages.py -->",
        "",
        "`fast` on `mettagrid:forage`, one seed a variant: enough to show what stalls, not to rank what learns.",
        "",
        "| variant | seed | agent-steps | minutes | return (95 % interval) | episodes |",
        "|---|---|---|---|---|---|",
        *(_row(run["variant"], run) for run in result["runs"]),
        "",
        f"`{result['command']}` at commit `{result['commit'][:12]}`.",
        "The raw curves are in {download}`initialisation.json`.",
    ]
    return "\n".join(lines) + "\n"


PAGES = {"forage": forage_page, "initialisation": initialisation_page}


def _row(name, run):
    steps, minutes = f"{run['agent_steps']:,}", f"{run['minutes']:.1f}"
    evaluation = run["evaluation"]
    if evaluation is None:
        return f"| {name} | {run['seed']} | {steps} | {minutes} | failed | |"
    found = f"{evaluation['return_mean']:.2f} ± {evaluation['return_ci95']:.2f}"
    return f"| {name} | {run['seed']} | {steps} | {minutes} | {found} | {evaluation['episodes']} |"


def _plot():
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4))
    for number, name in enumerate(POLICIES):
        result = json.loads((RESULTS / f"forage_{name}.json").read_text(encoding="utf-8"))
        for run in result["runs"]:
            points = [(row["agent_steps"] / 1e3, row["return_mean"]) for row in run["curve"] if row["return_mean"]]
            label = name if run is result["runs"][0] else None
            axes.plot(*zip(*points, strict=True), color=f"C{number}", alpha=0.8, label=label)
    axes.set(xlabel="thousand agent-steps", ylabel="return of an agent's episode", title="mettagrid:forage")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(RESULTS / "forage.png", dpi=110)
    plt.close(figure)
