"""The page on the five policies: speed, what they learn, what of them survives in another world."""

import json
import statistics

from tests.evidence.record import RESULTS, made_by, read_result

__all__ = ["plot_policies", "policies_page"]

POLICIES = ("fast", "latent_attn_tiny", "latent_attn_small", "latent_attn_med", "vit_lstm")
FILES = ("policies", "transfer", "doorkey", "doorkey_constant_rate", "custom_policies", "initialisation_original")
# The original's own code, one thread, rollout of 1,024 rows: agent-steps a second over those of its tiny.
ORIGINAL = {"fast": 1.55, "latent_attn_tiny": 1, "latent_attn_small": 0.55, "latent_attn_med": 0.14, "vit_lstm": 0.23}


def policies_page():
    """Return the page."""
    results = {name: read_result(name) for name in FILES}
    lines = [
        "# The shipped policies, measured",
        "",
        "<!-- made by `python -m tests.evidence` from the result files beside it, by policies_page.py -->",
        "",
        "What they learn on `mettagrid:forage` is on [a page of its own](forage.md).",
        "",
        *_speed(results["policies"]),
        "",
        *_transfer(results["transfer"]),
        "",
        *_doorkey(results["doorkey"], results["doorkey_constant_rate"]),
        "",
        *_classes(results["custom_policies"]),
        "",
        *_original(results["initialisation_original"]),
        "",
        *(made_by(name, result) for name, result in results.items()),
    ]
    return "\n".join(lines) + "\n"


def _speed(result):
    low, high = result["tokens"]
    lines = [
        "## Speed",
        "",
        (
            f"Agent-steps a second on one thread, and in brackets as a multiple of `latent_attn_tiny`'s, the median of "
            f"{result['rounds']} rounds in which the policies took turns; {low} to {high} of {result['of']} tokens."
        ),
        "",
    ]
    phases = list(dict.fromkeys((run["phase"], tuple(run["batch"])) for run in result["runs"]))
    heads = [f"{phase} {' x '.join(map(str, batch))}" for phase, batch in phases]
    lines += ["| policy | " + " | ".join(heads) + " | the original, rollout 1,024 |", "|---" * (len(heads) + 2) + "|"]
    for name in POLICIES:
        cells = []
        for phase, batch in phases:
            (run,) = [
                run
                for run in result["runs"]
                if (run["policy"], run["phase"], tuple(run["batch"])) == (name, phase, batch)
            ]
            cells.append(f"{run['steps_per_second']:,} ({1 / run['ratio']:.2f})")
        lines.append(f"| `{name}` | " + " | ".join(cells) + f" | ({ORIGINAL[name]:.2f}) |")
    return [
        *lines,
        "",
        (
            "The original's authors say that `fast` is the fastest, `tiny` the fastest of the other three, `small` a "
            "bit slower and `med` about half as fast as `tiny`."
        ),
        "The original is the code of the project that glulam comes from, in which these five were first written.",
        "The order holds; the distances do not: on a CPU `small` takes more than a bit, and `med` a multiple.",
    ]


def _transfer(result):
    lines = [
        "## In another world",
        "",
        (
            "Each policy was trained on `mettagrid:forage`, then moved by `glulam adapt` to variants drawn at random, "
            f"and played {result['episodes']} agent-episodes of the same games, greedily and by sampling."
        ),
        "To the bit: every log-prob, every action, every reward, sampled and greedy. The gap is one of log-probs.",
        "",
        ("| policy | return at home | variants | to the bit | largest gap | equal returns | with raw ids |"),
        "|---|---|---|---|---|---|---|",
    ]
    for run in result["runs"]:
        for kind in dict.fromkeys(variant["kind"] for variant in run["variants"]):
            found = [variant for variant in run["variants"] if variant["kind"] == kind]
            bits, gap = sum(variant["bit_equal"] for variant in found), max(v["largest_gap"] for v in found)
            equal = statistics.mean(variant["equal_returns"] for variant in found)
            lines.append(
                f"| `{run['policy']}` | {run['at_home']['greedy']:.2f}, sampled {run['at_home']['sampled']:.2f} | "
                f"{len(found)} {kind} | {bits} of {len(found)} | {gap:.1e} | {equal:.1%} | {run['raw_ids']:.2f} |"
            )
    return lines


def _doorkey(falling, constant):
    lines = [
        "## Another family of worlds",
        "",
        "`latent_attn_tiny`, unchanged, on `minigrid:MiniGrid-DoorKey-5x5-v0`: fetch a key, open a door, reach the",
        "goal; 1 less 0.9 of the time taken.",
        "Solved, a policy explores no more, and a learning rate that stays high may undo it for good.",
        "",
        "| learning rate | seed | agent-steps | minutes | return (95 % interval) | best in training |",
        "|---|---|---|---|---|---|",
    ]
    for told, result in (("falls to 0", falling), ("stays", constant)):
        for run in result["runs"]:
            best = max(row["return_mean"] or 0 for row in run["curve"])
            cells = (told, run["seed"], f"{run['agent_steps']:,}", f"{run['minutes']:.1f}", _found(run), f"{best:.2f}")
            lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def _classes(result):
    lines = [
        "## Policy classes",
        "",
        "Trained, saved, and loaded again by another process to be played.",
        "",
        "| class | environment | agent-steps | return (95 % interval) |",
        "|---|---|---|---|",
    ]
    return [*lines, *(f"| `{run['policy']}` | `{run['env']}` | {run['agent_steps']:,} | {_found(run)} |"
                      for run in result["runs"])]  # fmt: skip


def _original(result):
    lines = [
        "## With the original's own values",
        "",
        f"LSTM biases of 1, no skip around the memory, action embeddings of at most 0.1, {result['steps']:,} steps.",
        "What the shipped values give after as many or a few more stands on [the page on forage](forage.md), and why",
        "they differ in [a decision](../decisions/initialisation.md).",
        "",
        "| policy | seed | agent-steps | return (95 % interval) |",
        "|---|---|---|---|",
    ]
    lines += [f"| `{run['policy']}` | {run['seed']} | {run['agent_steps']:,} | {_found(run)} |"
              for run in result["runs"]]  # fmt: skip
    return [*lines, "", "![Return against agent-steps, as shipped and as the original](policies.png)"]


def _found(run):
    found = run["evaluation"]
    if found is None:
        return "failed"
    spread = found["return_ci95"]
    return f"{found['return_mean']:.2f}" + ("" if spread is None else f" ± {spread:.2f}")


def plot_policies():
    """Draw the curves of the policies as shipped and with the original's values."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    original = {
        run["policy"]: run
        for run in json.loads((RESULTS / "initialisation_original.json").read_text(encoding="utf-8"))["runs"]
    }
    figure, axes = plt.subplots(figsize=(7, 4))
    for number, (name, run) in enumerate(original.items()):
        shipped = read_result(f"forage_{name}")["runs"][0]
        for style, curve, label in (("-", shipped["curve"], name), (":", run["curve"], None)):
            points = [(row["agent_steps"] / 1e3, row["return_mean"]) for row in curve if row["return_mean"] is not None]
            axes.plot(*zip(*points, strict=True), style, color=f"C{number}", label=label)
    axes.plot([], [], ":", color="grey", label="with the original's values")
    axes.set(xlabel="thousand agent-steps", ylabel="return of an agent's episode", title="mettagrid:forage, seed 0")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(RESULTS / "policies.png", dpi=110)
    plt.close(figure)
