"""The page on training in TorchRL's loop and in ours, from its result file."""

from tests.evidence.record import made_by, read_result

__all__ = ["torchrl_page"]

WAYS = {
    "ours": "glulam's trainer",
    "torchrl": "`Collector`, `GAE`, `ReplayBuffer`, `ClipPPOLoss`, as in TorchRL's recurrent PPO example",
    "torchrl, options": "the same with `GAE(shifted=True)` and `track_traj_ids=False`",
    "torchrl, options, loop by hand": "and rows of the batch in place of a `ReplayBuffer`",
    "torchrl, options, one pass": "and a loss whose critic is handed the values of the actor's pass: no option of "
    "TorchRL's, but a module written for it",
}
ASKED, AIM = 1.5, 3.0


def torchrl_page():
    """Return the page."""
    result = read_result("torchrl_loop")
    settings = result["settings"]
    lines = [
        "# Beside TorchRL's loop",
        "",
        "<!-- made by `python -m tests.evidence` from the result file beside it, by torchrl_page.py -->",
        "",
        (
            "PPO on `mettagrid:forage` from end to end: glulam's trainer, and the same modules in TorchRL's own loop "
            "by [`glulam.interop.torchrl`](../torchrl.md)."
        ),
        (
            f"{settings['num_envs']} environments of four agents, {settings['horizon']} steps, {settings['epochs']} "
            f"epochs of {settings['minibatches']} minibatches, fused Adam; one thread, process CPU time, nothing "
            f"compiled, an update of each by turns for {result['rounds']} rounds."
        ),
        "TorchRL is given all rows as one environment, with no process or object for each.",
        "Times as fast is the median of the ratios within rounds, with quartiles.",
        "",
        (
            "All ways learn the same, which is checked first: with the likeliest actions and one minibatch, after five "
            "updates weights are apart by the given part of how far they have moved."
        ),
        "`compact_obs` is not among TorchRL's options here, since it drops the observation that a batch ends with.",
        "",
    ]
    for run in result["runs"]:
        lines += _run(run)
    return "\n".join([*lines, made_by("torchrl_loop", result)]) + "\n"


def _run(run):
    ours, *others = run["ways"]
    documented = [way for way in others if "one pass" not in way["what"]]
    quickest = min(documented, key=lambda way: way["speedup"])
    reached = "aim reached" if quickest["speedup"] >= AIM else "reached" if quickest["speedup"] >= ASKED else "missed"
    lines = [
        f"## `{run['policy']}`",
        "",
        "| loop | agent-steps/s | times as fast | quartiles | environment, ms | network | learning | rest | apart |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for way in run["ways"]:
        ratio = (
            f"**{way['speedup']:.2f}** | {way['quartiles'][0]:.2f}-{way['quartiles'][1]:.2f}" if way in others else "|"
        )
        parts = " | ".join(f"{way['split'][part]:.0f}" for part in ("environment", "network", "learning", "rest"))
        apart = f"{run['apart'][way['what']]:.1g}" if way in others else ""
        lines.append(f"| {WAYS[way['what']]} | {way['steps_per_second']:,} | {ratio} | {parts} | {apart} |")
    split = ours["split"]
    whole = sum(split.values())
    one_pass = next(way for way in others if "one pass" in way["what"])
    return [
        *lines,
        "",
        (
            f"Our least was {ASKED:g} times and our aim {AIM:g}, set before we measured: against the quickest that "
            f"TorchRL's options make of it {quickest['speedup']:.2f}, {reached}."
        ),
        (
            f"Of our update {split['environment'] / whole:.0%} is the environment, "
            f"{(split['network'] + split['learning']) / whole:.0%} the modules and their gradients, and "
            f"{split['rest'] / whole:.0%} the rest: a trainer that cost nothing around the same modules would be "
            f"{quickest['bound_by_modules']:.2f} times as fast as that, and one that only played "
            f"{quickest['bound_by_environment']:.1f} times."
        ),
        (
            "TorchRL's loss runs the actor and then the critic, each with all that lies below, forward and back, and "
            "values are computed anew after a rollout; with its loss in one pass the ratio is "
            f"{one_pass['speedup']:.2f}."
        ),
        "",
    ]
