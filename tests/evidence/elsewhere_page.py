"""The page on other people's worlds."""

from tests.evidence.record import made_by, read_result

__all__ = ["elsewhere_page"]

TRAINED = ("doorkey", "popgym", "pettingzoo")


def elsewhere_page():
    """Return the page."""
    results = {name: read_result(name) for name in (*TRAINED, "doorkey_random")}
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
        *(made_by(name, result) for name, result in results.items()),
    ]
    return "\n".join(lines) + "\n"


def _found(report):
    spread = report["return_ci95"]
    return f"{report['return_mean']:.2f}" + ("" if spread is None else f" ± {spread:.2f}")
