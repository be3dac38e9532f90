"""The page on what the example programs teach."""

from tests.evidence.record import made_by, read_result

__all__ = ["examples_page"]


def examples_page():
    """Return the page, from its result file."""
    result = read_result("examples")
    lines = [
        "# Examples",
        "",
        "<!-- made by `python -m tests.evidence` from the file beside it; edit tests/evidence/examples_page.py -->",
        "",
        "Each of [the examples](../examples/index.md) was run once, for as many steps as the table says: enough to see",
        "that it learns, not to finish.",
        "What it saved was played on episodes not seen in training, and so was random play.",
        "Minutes are wall time on a machine that ran other jobs beside these: upper bounds.",
        "",
        "| program | environment | steps | minutes | return (95 % interval) | random play |",
        "|---|---|---|---|---|---|",
    ]
    for run in result["runs"]:
        trained, chance = (
            f"{it['return_mean']:.2f} ± {it['return_ci95']:.2f}" for it in (run["trained"], run["random"])
        )
        name, steps = f"`{run['example']}.py`", f"{run['steps']:,}"
        lines.append(f"| {name} | `{run['environment']}` | {steps} | {run['minutes']:.1f} | {trained} | {chance} |")
    versions = f"torchrl {result['versions']['torchrl']}, ray {result['ray']}"
    return "\n".join([*lines, "", f"{made_by('examples', result).rstrip()}", f"With {versions}.", ""])
