"""The page on who steps the environments, from its result file."""

from tests.evidence.record import made_by, read_result
from tests.evidence.tables import row, table

__all__ = ["workers_page"]


def workers_page():
    """Return the page."""
    result = read_result("workers")
    lines = [
        "# Who steps the environments",
        "",
        "<!-- made by `python -m tests.evidence` from the result file beside it, by workers_page.py -->",
        "",
        "`env_workers` has further processes step the environments, and `env_groups: 2` has the policy act in one half",
        "of them while the other half steps ([how](../training.md#who-steps-the-environments)).",
        (
            "Wall time of an update, its rollout, and what of the rollout is the environments, or the wait for them; "
            f"one thread of torch, {result['machine']['cores']} cores, a case after the other in each of "
            f"{result['rounds']} rounds."
        ),
        "A ratio is to one process in the same round, with quartiles; below 1 is quicker.",
        "",
    ]
    for run in result["runs"]:
        lines += [
            f"## {_named(run['policy'])} on `{run['environment']}`",
            "",
            f"{run['agent_steps']:,} agent-steps an update.",
            "",
            *table("|update, ms|ratio|rollout, ms|ratio|environments, ms|ratio"),
        ]
        for lines_of_case in zip(*(run[what] for what in ("update", "rollout", "environments")), strict=True):
            cells = [cell for line in lines_of_case for cell in (f"{line['median']:,.0f}", _ratio(line))]
            lines.append(row([lines_of_case[0]["what"], *cells]))
        lines.append("")
    return "\n".join([*lines, made_by("workers", result)]) + "\n"


def _named(policy):
    return policy.capitalize() if " " in policy else f"`{policy}`"


def _ratio(line):
    if "ratio" not in line:
        return ""
    low, high = line["quartiles"]
    return f"{line['ratio']:.2f} [{low:.2f}, {high:.2f}]"
