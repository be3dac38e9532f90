"""Pages and plots made from result files, so that no figure is typed by hand."""

from tests.evidence.contract_page import contract_page
from tests.evidence.elsewhere_page import elsewhere_page
from tests.evidence.examples_page import examples_page
from tests.evidence.gpu_page import gpu_page
from tests.evidence.lessons_page import lessons_page
from tests.evidence.memory_page import memory_page, plot_memory
from tests.evidence.performance_page import performance_page
from tests.evidence.policies_page import POLICIES, plot_policies, policies_page
from tests.evidence.record import RESULTS, made_by, read_result
from tests.evidence.scaling_page import scaling_page
from tests.evidence.soak_page import plot_soak, soak_page
from tests.evidence.torchrl_page import torchrl_page
from tests.evidence.workers_page import workers_page

__all__ = ["PAGES", "place_of", "write_pages"]


def write_pages():
    """Write the pages that results are shown on, and their plots."""
    for name, page in PAGES.items():
        place_of(name).write_text(page(), encoding="utf-8")
    _plot()
    plot_memory()
    plot_policies()
    plot_soak()


def place_of(name):
    """Return the file of a page: in docs/results, but for the one on scaling, which users read beside others."""
    return (RESULTS.parent if name == "scaling" else RESULTS) / f"{name}.md"


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
        result = read_result(f"forage_{name}")
        lines += [_row(name, run) for run in result["runs"]]
    lines += ["", "![Return against agent-steps, a line a seed](forage.png)", ""]
    for name in POLICIES:
        result = read_result(f"forage_{name}")
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


def compiler_page():
    """Return the page on the resolver: what it finds, and how long it takes."""
    results = {name: read_result(name) for name in ("corpus", "discovery", "resolver", "startup")}
    lines = [
        "# The registry and the resolver",
        "",
        "<!-- made by `python -m tests.evidence` from the result files beside it; edit tests/evidence/pages.py -->",
        "",
        "## Broken policies",
        "",
        "Each row is a good policy with one mistake, or with two in different layers.",
        "Right means: the expected codes at the expected lines and columns, and nothing else.",
        "Left out are pairs in which one mistake hides what the other rests on, such as a width taken from it.",
        "",
        "| policy | mistakes | right | pairs | right | pairs left out |",
        "|---|---|---|---|---|---|",
    ]
    for run in results["corpus"]["runs"]:
        single, double = (run[what] - len(run[f"{what}_wrong"]) for what in ("mistakes", "pairs"))
        cells = (run["mistakes"], single, run["pairs"], double, run["pairs_left_out"])
        lines.append(f"| {run['policy']} | " + " | ".join(f"{cell:,}" for cell in cells) + " |")
    found = results["discovery"]
    lines += [
        "", "## Discovery", "",
        f"Milliseconds to learn all names from metadata; growth is as the number to the power {found['exponent']}.", "",
        "| distributions | layers | glulam | with this environment beside them | importlib.metadata |",
        "|---|---|---|---|---|",
    ]  # fmt: skip
    for count in sorted({run["distributions"] for run in found["runs"]}):
        rows = {run["what"]: run for run in found["runs"] if run["distributions"] == count}
        times = (rows[who] for who in ("glulam", "glulam with this environment", "importlib.metadata"))
        cells = " | ".join(f"{row['median']:.1f} ({row['minimum']:.1f}-{row['maximum']:.1f})" for row in times)
        lines.append(f"| {count:,} | {3 * count:,} | {cells} |")
    found = results["resolver"]
    growth = f"a chain's time grows as its length to the power {found['exponent']}"
    lines += ["", "## Resolving", "", f"Milliseconds, among {found['distributions']} distributions; {growth}.", ""]
    lines += ["| policy | median | range |", "|---|---|---|"]
    lines += [f"| {run['what']} | {run['median']:.1f} | {_range(run)} |" for run in found["runs"]]
    lines += [
        "", "## Commands", "", "Milliseconds of wall time of whole processes, and over a bare `python -c pass`.", "",
        "| command | median | range | over bare |", "|---|---|---|---|",
    ]  # fmt: skip
    for run in results["startup"]["runs"]:
        lines.append(f"| `{run['what']}` | {run['median']:.0f} | {_range(run)} | {run['over_bare']:.0f} |")
    lines += ["", *(made_by(name, result) for name, result in results.items())]
    return "\n".join(lines) + "\n"


def _range(run):
    return f"{run['minimum']:.1f}-{run['maximum']:.1f}" if "minimum" in run else ""


PAGES = {"forage": forage_page, "compiler": compiler_page}
PAGES |= {"memory": memory_page, "policies": policies_page, "contract": contract_page, "performance": performance_page}
PAGES |= {"torchrl_loop": torchrl_page, "scaling": scaling_page, "soak": soak_page, "examples": examples_page}
PAGES |= {"elsewhere": elsewhere_page, "workers": workers_page, "lessons": lessons_page, "gpu": gpu_page}


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
        result = read_result(f"forage_{name}")
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
