"""The page on the original's lessons, from the results of their sweeps."""

from tests.evidence.lesson_curves import runs_of
from tests.evidence.lessons import FOLDER, LESSONS
from tests.evidence.record import made_by, read_result
from tests.evidence.verdicts import VERDICTS

__all__ = ["lessons_page"]

AGAIN = "lessons/again"
TWICE = (("width_hearts", "width_32"), ("sizes_hearts", "small"))
CURVE = ("agent_steps", "return_mean")


def lessons_page():
    """Return the page, with those sweeps that have results."""
    lines = [
        "# The original's lessons",
        "",
        "<!-- made by `python -m tests.evidence` from the files in lessons/, by lessons_page.py and verdicts.py -->",
        "",
        "The project that glulam comes from hands down lessons without figures.",
        "Each is a sweep here, `docs/results/lessons/NAME.yaml`, which `python -m tests.evidence lessons_NAME` runs.",
        "",
        "Returns are the mean of the last tenth of a training, over all seeds; brackets are 95 % bootstrap intervals",
        "over seeds, which are too narrow where seeds are few ([what they are worth](../sweeps.md)).",
        "What is said of two variants follows from the interval of their difference; which two are compared was chosen",
        "after the results were seen, so some differences are there by chance.",
        "Tables give the difference to the first row, and P(better), the chance to end above a run of the first row.",
        "*Whole training* is the mean return over all of it; *reached* tells how many seeds came to that return, and",
        "the mean agent-steps of those that did.",
        "",
    ]
    if missing := [f"`{name}`" for name in LESSONS if not _exists(name)]:
        lines += [f"Without results so far: {', '.join(missing)}.", ""]
    results = {f"lessons/{name}": read_result(f"lessons/{name}") for name in LESSONS if _exists(name)}
    lines += _answers(name for name in LESSONS if _exists(name))
    for path, result in results.items():
        lines += _lesson(path.removeprefix("lessons/"), result)
    lines += _twice(results)
    if _exists("again"):
        results[AGAIN] = read_result(AGAIN)
        lines += _again(results[AGAIN])
    return "\n".join([*lines, *(made_by(name, result) for name, result in results.items())]) + "\n"


def _answers(names):
    """Return a table of all that is handed down, with links to the sweeps that answer."""
    lines = ["| handed down | does it hold? | advice | by the sweep |", "|---|---|---|---|"]
    for name in names:
        verdict = VERDICTS[name]
        lines += [
            f"| {answer.lesson} | {answer.holds} | {answer.advice} | [`{name}`](#{_anchor(verdict.title)}) |"
            for answer in verdict.answers
        ]
    return [*lines, ""]


def _anchor(title):
    """Return the anchor that the site gives a heading."""
    return "".join(letter for letter in title.lower().replace(" ", "-") if letter.isalnum() or letter == "-")


def _exists(name):
    return (FOLDER / f"{name}.json").exists()


def _lesson(name, result):
    verdict = VERDICTS[name]
    sweep = result["sweep"]
    lines = [
        f"## {verdict.title}",
        "",
        f"{_learner(sweep)} on `{sweep['env']}`, {sweep['steps']:,} agent-steps.",
        "",
        *verdict(result).splitlines(),
        "",
        (
            "| variant | seeds | final return | difference | P(better) | whole training "
            f"| reached {sweep['threshold']} |"
        ),
        "|---|---|---|---|---|---|---|",
    ]
    for row in result["variants"]:
        reached, seeds = row["threshold"]["reached"], row["seeds"]
        at = f" at {row['threshold']['agent_steps'] / 1e3:,.0f}k" if reached else ""
        cells = [
            f"`{row['variant']}`",
            f"{row['n']}" if row["n"] == seeds else f"{row['n']} of {seeds}",
            *(told(row[key]) for key in ("final_return", "difference", "improvement", "area")),
            f"{reached} of {seeds}{at}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    steps, env = sweep["steps"], sweep["env"]
    return [*lines, "", f"![Return against agent-steps on {env}, up to {steps:,}](lessons/{name}.png)", ""]


def _learner(sweep):
    policy = sweep.get("policy")
    return "Policies" if policy is None else f"`{policy.removesuffix('.yaml')}`"


def _twice(results):
    """Return the section on a cell that two sweeps have in common, where both were run."""
    (one, variant), (other, its_name) = TWICE
    if not {f"lessons/{one}", f"lessons/{other}"} <= {*results}:
        return []
    runs = [runs_of(results[f"lessons/{sweep}"], name) for sweep, name in TWICE]
    same = sum(all(a["curve"][key] == b["curve"][key] for key in CURVE) for a, b in zip(*runs, strict=True))
    commits = [results[f"lessons/{sweep}"]["commit"][:12] for sweep in (one, other)]
    return [
        "## A cell run twice",
        "",
        f"`{variant}` of `{one}` and `{its_name}` of `{other}` are the same policy, environment and settings,",
        f"trained on two machines of one kind, at commits `{commits[0]}` and `{commits[1]}`.",
        f"Of {len(runs[0])} seeds {same} have the same curve to the digit, in all its points.",
        "",
    ]


def _again(result):
    """Return the section on cells that were run once more."""
    same = sum(run["same"] for run in result["runs"])
    lines = [
        "## A cell run again",
        "",
        "`python -m tests.evidence lessons_again` trains one run of each sweep once more, and compares the returns of",
        f"all its updates with those that are kept: {same} of {len(result['runs'])} are the same to the digit.",
        "",
        "| sweep | variant | seed | updates | same |",
        "|---|---|---|---|---|",
    ]
    for run in result["runs"]:
        cells = (run["sweep"], f"`{run['variant']}`", run["seed"], run["points"], "yes" if run["same"] else "no")
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return [*lines, ""]


def told(interval):
    """Return a number with its interval."""
    if interval is None:
        return ""
    value = f"{interval['value']:.2f}"
    return value if interval["low"] is None else f"{value} [{interval['low']:.2f}, {interval['high']:.2f}]"
