"""The page on the contract suite: what it catches, what it leaves alone, and what slips through."""

from collections import Counter

from tests.evidence.record import made_by, read_result

__all__ = ["contract_page"]

FILES = ("contract_museum", "contract_full", "contract_seeds", "contract_seeds_again", "mutants", "downstream")


def contract_page():
    """Return the page."""
    results = {name: read_result(name) for name in FILES}
    lines = [
        "# The contract suite, measured",
        "",
        "<!-- made by `python -m tests.evidence` from the result files beside it, by contract_page.py -->",
        "",
        *_museum(results["contract_museum"]),
        "",
        *_full(results["contract_full"]),
        "",
        *_seeds(results["contract_seeds"], results["contract_seeds_again"]),
        "",
        *_downstream(results["downstream"]),
        "",
        *_mutants(results["mutants"]),
        "",
        *(made_by(name, result) for name, result in results.items()),
    ]
    return "\n".join(lines) + "\n"


def _museum(result):
    runs = result["runs"]
    caught, smoke = (sum(bool(run[what]) for run in runs) for what in ("caught", "smoke_test_caught"))
    cited = sum(bool(run["source"]) for run in runs)
    first = sum(run["law"] in run["caught"] for run in runs)
    alone = sum(len(run["caught"]) == 1 for run in runs)
    broken = [good["config"] for good in result["good"] if good["broken"]]
    missed = [f"`{run['exhibit']}` ({run['bug']})" for run in runs if not run["caught"]]
    return [
        "## The museum",
        "",
        f"{len(runs)} broken layers, each a small diff from a good one; {cited} re-create a bug of another project.",
        "A smoke test builds the layer, runs it, compares shapes, and takes a gradient.",
        "",
        "| | caught | share |",
        "|---|---|---|",
        f"| the contract, quick and slow laws | {caught} of {len(runs)} | {caught / len(runs):.1%} |",
        f"| a smoke test | {smoke} of {len(runs)} | {smoke / len(runs):.1%} |",
        "",
        f"{first} are caught by the law that was meant to, {alone} by one law alone.",
        f"Not caught: {'; '.join(missed) or 'none'}.",
        f"Good twins: {len(result['good'])}; of them break a law: {', '.join(broken) or 'none'}.",
    ]


def _full(result):
    seconds, outcomes = Counter(), Counter(run["outcome"] for run in result["runs"])
    for run in result["runs"]:
        seconds[run["layer"]] += run["seconds"]
    (slowest, longest), *_ = seconds.most_common()
    told = [f"`{r['layer']}` {r['law']} ({r['told']})" for r in result["runs"] if r["outcome"] == "broken"]
    return [
        "## Our layers, in depth",
        "",
        (
            f"{len(seconds)} layers at the full level: {outcomes['kept']:,} laws kept, {outcomes['broken']} broken, "
            f"{outcomes['not applicable']} not applicable; {sum(seconds.values()) / len(seconds):.0f} s a layer, "
            f"at most {longest:.0f} s (`{slowest}`)."
        ),
        f"Broken: {'; '.join(told) or 'none'}.",
    ]


def _seeds(result, result_again):
    looks = Counter(run["seeds"] for run in result["runs"])
    again = {run["layer"]: run for run in result_again["runs"]}
    told = [
        f"{_broken(run)}; looked into again since, {_broken(again[run['layer']])}"
        for run in result["runs"]
        if run["broken"]
    ]
    counts = " and ".join(f"{number} layers with {seeds} seeds each" for seeds, number in sorted(looks.items()))
    return ["## Other seeds", "", f"{counts}, at the quick level: {'; '.join(told) or 'no law broken once'}."]


def _broken(run):
    """Return which laws a layer broke, and with how many seeds."""
    laws = sorted({law for broken in run["broken"].values() for law in broken})
    told = " and ".join(f"`{law}`" for law in laws) or "nothing"
    return f"`{run['layer']}` broke {told} with {len(run['broken']) or run['seeds']} of {run['seeds']} seeds"


def _downstream(result):
    totals = result["totals"]
    lines = [
        "## Modules that nobody here wrote",
        "",
        (
            f"{totals['layers']} modules of {', '.join(totals['packages'])}, wrapped as a user would: "
            f"{totals['laws_kept']:,} laws kept, {totals['alarms_explained']} alarms with a reason, "
            f"{totals['alarms_not_explained']} without."
        ),
        "",
        "| module | law | why it is broken |",
        "|---|---|---|",
    ]
    for layer in result["runs"]:
        for law, told in {**layer["exempt"], **layer["broken"]}.items():
            reason = told.partition("): ")[0].replace("|", "\\|") + ")"
            lines.append(f"| `{layer['layer']}` | `{law}` | {reason} |")
    lines += ["", "Bugs of older releases, found again:", ""]
    lines += ["| module | release | law | what it finds |", "|---|---|---|---|"]
    for bug in result["known_bugs"]:
        told = bug["broken"].get(bug["law"], "nothing")
        lines.append(f"| `{bug['layer']}` | {bug['package']} {bug['version']} | `{bug['law']}` | {told} |")
    return lines


def _mutants(result):
    runs = result["runs"]
    killers = Counter(run["killed_by"].partition(":")[0] or "nothing" for run in runs)
    killed = len(runs) - killers["nothing"]
    lines = [
        "## Mutants",
        "",
        (
            f"{len(runs):,} mutants of modules of our layers, by {result['tool']} with all its operators and no "
            f"filter: {killed:,} ({killed / len(runs):.1%}) are noticed, {killers['contract']:,} by the contract at "
            f"its quick level, of the rest {killers['test']:,} by the layer's own tests and {killers['types']:,} by "
            "mypy: cosmic-ray also edits annotations, which nothing evaluates when a layer runs."
        ),
        "",
        "| module | mutants | noticed by the contract | by its tests | by its types | otherwise | survive |",
        "|---|---|---|---|---|---|---|",
    ]
    for module in dict.fromkeys(run["module"] for run in runs):
        rows = [run for run in runs if run["module"] == module]
        by = Counter(run["killed_by"].partition(":")[0] or "nothing" for run in rows)
        named = [by[what] for what in ("contract", "test", "types")]
        cells = [len(rows), *named, len(rows) - sum(named) - by["nothing"], by["nothing"]]
        lines.append(f"| `{module}` | {' | '.join(map(str, cells))} |")
    lines += ["", "Those that survive, a line each:", "", "| module | line | operator | change |", "|---|---|---|---|"]
    lines += [
        f"| `{run['module'].rpartition('/')[2]}` | {run['line']} | {run['operator']} | {_change(run['diff'])} |"
        for run in runs
        if not run["killed_by"]
    ]
    return lines


def _change(diff):
    before, after = ([line[1:].strip() for line in diff if line[0] == sign] for sign in "-+")
    return " to ".join(f"`{' '.join(part) or 'nothing'}`".replace("|", "\\|") for part in (before, after))
