"""The page on other people's worlds and runners."""

from tests.evidence.record import made_by, read_result
from tests.evidence.tables import row, table

__all__ = ["elsewhere_page"]

TRAINED = ("doorkey", "popgym", "pettingzoo")


def elsewhere_page():
    """Return the page."""
    results = {name: read_result(name) for name in (*TRAINED, "doorkey_random")}
    grouped = read_result("grouped")
    chance = {name: results[name].get("random") for name in TRAINED} | {"doorkey": results["doorkey_random"]["runs"][0]}
    lines = [
        "# Other people's worlds",
        "",
        "<!-- made by `python -m tests.evidence` from the result files beside it, by elsewhere_page.py -->",
        "",
        "Each row is one seed: trained with one thread, then played on episodes not seen in training, beside agents",
        "that act uniformly at random.",
        "The return is one agent's over one episode.",
        "Minutes are wall time on a machine that ran other jobs beside these: upper bounds.",
        "",
        "| environment | seed | agent-steps | minutes | return (95 % interval) | at random |",
        "|---|---|---|---|---|---|",
    ]
    for name in TRAINED:
        env = chance[name]["environment"]
        for run in results[name]["runs"]:
            cells = (f"`{env}`", run["seed"], f"{run['agent_steps']:,}", f"{run['minutes']:.1f}")
            lines.append(
                "| " + " | ".join(map(str, cells)) + f" | {_found(run['evaluation'])} | {_found(chance[name])} |"
            )
    lines += [
        "",
        "DoorKey: `latent_attn_tiny` reads MiniGrid's view as tokens; fetch a key, open a door, reach the goal.",
        "RepeatPrevious: a small policy with a GRU says in each step which of four suits it saw some steps before;",
        "all right is 1, all wrong -1.",
        "Knights and archers: four agents share one small policy without memory; who dies leaves the game, and the row",
        "waits until all have left. An agent earns 1 for each zombie that it kills.",
        "",
        *_grouped(grouped),
        "",
        *(made_by(name, result) for name, result in [*results.items(), ("grouped", grouped)]),
    ]
    return "\n".join(lines) + "\n"


def _grouped(result):
    """Return the section on mettagrid's runner."""
    lines = [
        "## In mettagrid's own runner",
        "",
        "A bundle that `glulam export --to mettagrid` wrote, played by mettagrid's `Rollout` with agents one by one,",
        "and in a group, which is one call of the policy for all agents of the world.",
        "Microseconds a step of `mettagrid:forage` for all agents together, with one thread; the ratio is the median",
        f"of {result['rounds']} rounds in which the ways took turns, with quartiles.",
        "The last column leaves out what a step takes where nobody thinks, which both ways share.",
        "",
        *table("policy|agents|one by one|in a group|nobody thinks|times as fast|quartiles|the policy's part"),
    ]
    for run in result["runs"]:
        times = (f"{run[way]:,.0f}" for way in ("one by one", "grouped", "nobody"))
        ratios = (f"{run['ratio']:.2f}", "-".join(f"{value:.2f}" for value in run["quartiles"]))
        lines.append(row((f"`{run['policy']}`", run["agents"], *times, *ratios, f"{run['ratio_of_policies']:.2f}")))
    return lines


def _found(report):
    spread = report["return_ci95"]
    return f"{report['return_mean']:.2f}" + ("" if spread is None else f" ± {spread:.2f}")
