"""The page on speed, from its result files."""

import math
from itertools import groupby

from tests.evidence.record import RESULTS, made_by, read_result

__all__ = ["performance_page"]

POLICIES = ("fast", "latent_attn_tiny", "latent_attn_small", "latent_attn_med", "vit_lstm")
# What was asked for against the plain policy: at least, and as an aim.
ASKED = {
    ("rollout", (1024,)): dict(zip(POLICIES, ((1.3, 1.7), (1.6, 2.5), (2, 4), (2.5, 6), (2.8, 5)), strict=True)),
    ("training", (64, 16)): dict(zip(POLICIES, ((1.1, 1.3), (1.4, 2), (1.5, 2.5), (2, 3), (1.7, 2.5)), strict=True)),
}


def performance_page():
    """Return the page."""
    results = {name: read_result(name) for name in SECTIONS if (RESULTS / f"{name}.json").exists()}
    lines = [
        "# Speed",
        "",
        "<!-- made by `python -m tests.evidence` from the result files beside it, by performance_page.py -->",
        "",
        "One thread of a CPU, process CPU time, all ways of a round one after the other.",
        "Ratios are medians of the ratios within rounds, with quartiles; no figure compares two runs.",
        "The plain policies (`tests/benchmarks/plain`) are the same five as one writes them in PyTorch first.",
        "They have the same weights and give the same numbers, which is checked before anything is timed.",
        "Asked is the least that we set ourselves before we measured, and the aim what we hoped for.",
        "",
        *_summary(results["whole"]),
        "",
        *(line for name, result in results.items() for line in SECTIONS[name](result)),
        *TRIED,
        "",
        *(made_by(name, result) for name, result in results.items()),
    ]
    return "\n".join(lines) + "\n"


def _summary(result):
    """Return in words how fast whole policies are with many rows and with one."""
    speeds = {}
    for run in result["runs"]:
        speeds.setdefault((run["phase"], math.prod(run["batch"])), []).append(run["speedup"])
    playing, training, alone = (
        f"{min(found):.1f} to {max(found):.1f} times as fast"
        for found in (speeds["rollout", 1024], speeds["training", 1024], speeds["rollout", 1])
    )
    return [
        f"With 1,024 rows the five play {playing} as the plain policies, and train {training}.",
        f"With one row they play {alone}.",
    ]


def _whole(result):
    low, high = result["tokens"]
    lines = [
        "## Whole policies",
        "",
        (
            f"A step of rollout, and forward and backward of a PPO loss over segments, with {low} to {high - 1} tokens "
            f"of {result['of']}, drawn anew for each round from 7,744 different ones."
        ),
        "An episode ends at one step in a hundred, and every weight is written once in 64 steps.",
        "The floor is what the plain policy's matrix products, convolutions and `nn.LSTM` take by themselves.",
        "",
        *_head("policy|phase|batch|ours, ms|plain, ms|times as fast|quartiles|asked, aim|floor, ms|ours / floor"),
    ]
    missed = []
    for run in result["runs"]:
        batch = tuple(run["batch"])
        asked = ASKED.get((run["phase"], batch), {}).get(run["policy"])
        cells = [
            f"`{run['policy']}`", run["phase"], " x ".join(map(str, batch)), _ms(run["ours"]), _ms(run["plain"]),
            f"**{run['speedup']:.2f}**", _between(run["quartiles"]),
            f"{asked[0]:g}, {asked[1]:g}: {_verdict(run['speedup'], asked)}" if asked else "",
            _ms(run["floor"]), f"{run['ours_of_floor']:.2f}",
        ]  # fmt: skip
        lines.append(_row(cells))
        if asked and run["speedup"] < asked[0]:
            missed.append(
                f"* `{run['policy']}`, {run['phase']}: asked was {asked[0]:g}. The plain one takes "
                f"{run['plain_of_floor']:.2f} times as long as its bare products, and ours {run['ours_of_floor']:.2f}."
            )
    return [*lines, "", *(["Missed:", "", *missed, ""] if missed else [])]


def _verdict(found, asked):
    least, aim = asked
    return "aim reached" if found >= aim else "reached" if found >= least else f"**missed by {least / found:.2f} x**"


def _parts(result):
    lines = [
        "## Parts",
        "",
        "The time of a way as a multiple of ours; above 1 ours is quicker.",
        "",
        "| part | of | phase | rows | ours, ms | others |",
        "|---|---|---|---|---|---|",
    ]
    keys = ("part", "policy", "phase", "rows")
    for group, runs in groupby(result["runs"], key=lambda run: tuple(run[key] for key in keys)):
        ours, *others = runs
        told = "; ".join(f"{run['what']} {_ratio(run)}" for run in others)
        part, policy, phase, rows = group
        lines.append(_row([part, f"`{policy}`", phase, f"{rows:,}", _ms(ours["median"]), told]))
    return [*lines, ""]


def _assembly(result):
    lines = [
        "## Assembly",
        "",
        (
            "A chain of small layers, a TensorDict in and a TensorDict out, as a multiple of the time of a "
            "hand-written `nn.Module` that calls the same modules; below 1 is quicker than that."
        ),
        "Asked were 0.8 at up to 32 rows (aim 0.5) and 1.0 at 1,024, and a fourth of `TensorDictSequential`'s time.",
        "`TensorDictSequential` looks for pandas at each write; that look-up is cached here.",
        "Compiled ways are multiples of the compiled hand-written module, where 1.02 was asked.",
        "",
        *_head("layers|kind|rows|hand, ms|glulam|TensorDictModules|TensorDictModuleBases|compiled|`policy.compile()`"),
    ]
    for group, runs in groupby(result["runs"], key=lambda run: (run["layers"], run["kind"], run["rows"])):
        by_way = {run["what"]: run for run in runs}
        ways = ("glulam", "TensorDictModule", "TensorDictModuleBase", "glulam, compiled", "glulam, policy.compile()")
        cells = [
            f"{by_way[way]['ratio']:.2f} ({_between(by_way[way]['quartiles'])})" if way in by_way else ""
            for way in ways
        ]
        layers, kind, rows = group
        lines.append(_row([layers, kind, f"{rows:,}", f"{by_way['hand']['median']:.3f}", *cells]))
    return [*lines, ""]


def _growth(result):
    lines = [
        "## Growth",
        "",
        "Milliseconds a call by size, and the exponent fitted to them: 1 is linear, below it a part costs the same.",
        "",
        "| policy | phase | by | sizes | ours, ms | exponent | the peer's exponent |",
        "|---|---|---|---|---|---|---|",
    ]
    for run in result["runs"]:
        sizes, ours = (", ".join(map(tell, run[what])) for what, tell in (("sizes", str), ("ours", _ms)))
        exponents = [f"{run['exponent'][who]:.2f}" for who in ("ours", "peer")]
        lines.append(_row([f"`{run['policy']}`", run["phase"], run["by"], sizes, ours, *exponents]))
    return [*lines, ""]


def _memory(result):
    lines = [
        "## Peak memory of a training step",
        "",
        "By how much a step raises the largest resident memory of its process; asked was 0.8 of the plain one's.",
        "",
        "| policy | batch | ours, MiB | plain, MiB | ours / plain |",
        "|---|---|---|---|---|",
    ]
    for run in result["runs"]:
        batch = " x ".join(map(str, run["batch"]))
        cells = [f"`{run['policy']}`", batch, f"{run['ours']:.0f}", f"{run['plain']:.0f}", f"{1 / run['ratio']:.2f}"]
        lines.append(_row(cells))
    return [*lines, ""]


def _training(result):
    lines = [
        "## Training from end to end",
        "",
        "An update of PPO on `mettagrid:forage`, the environment included, beside a plain PPO loop.",
        "",
        "| policy | agent-steps/s, ours | plain | times as fast | quartiles | ours: where the time goes | plain |",
        "|---|---|---|---|---|---|---|",
    ]
    for run in result["runs"]:
        speeds = [f"{run['steps_per_second'][who]:,}" for who in ("ours", "plain")]
        splits = [_split(run["split"][who]) for who in ("ours", "plain")]
        cells = [f"`{run['policy']}`", *speeds, f"**{run['speedup']:.2f}**", _between(run["quartiles"]), *splits]
        lines.append(_row(cells))
    return [*lines, ""]


def _split(parts):
    return ", ".join(f"{what} {_ms(value)}" for what, value in parts.items())


def _start(result):
    lines = [
        "## From the start of a process to the first action",
        "",
        "Milliseconds of wall time, warm.",
        "",
        "| what | until the first action | of `import torch, tensordict` | parts |",
        "|---|---|---|---|",
    ]
    for run in result["runs"]:
        told = ", ".join(f"{what} {value:.0f}" for what, value in run["parts"].items())
        lines.append(_row([run["what"], f"{run['median']:.0f}", f"{run['ratio']:.2f}" if "ratio" in run else "", told]))
    compiling = result["compiling"]
    told = []
    for what in ("empty cache", "its cache"):
        told.append(f"{what}: " + ", ".join(f"{seconds:.1f} s" for seconds in compiling[what]["compiled"]))
    rows = ", ".join(map(str, compiling["rows"]))
    return [
        *lines,
        "",
        f"Compiling `{compiling['policy']}` for {rows} rows in turn, the first calls: {'; '.join(told)}.",
        "",
    ]


def _ms(value):
    return f"{value:.3f}" if value < 1 else f"{value:.1f}"


def _between(quartiles):
    return "-".join(f"{value:.2f}" for value in quartiles)


def _ratio(run):
    return f"{run['ratio']:.2f} ({_between(run['quartiles'])})"


def _head(titles):
    names = titles.split("|")
    return [_row(names), "|" + "---|" * len(names)]


def _row(cells):
    return "| " + " | ".join(map(str, cells)) + " |"


SECTIONS = {
    "whole": _whole,
    "parts": _parts,
    "assembly": _assembly,
    "growth": _growth,
    "peak_memory": _memory,
    "training": _training,
    "cold_start": _start,
}
TRIED = """\
## What did not help

* Cross-attention of queries that differ from row to row is left to torch's kernel, and most of `latent_attn_med`.
  Tried in its place, none quicker: inductor's code for attention written as sums, whole and in chunks of rows;
  one product a row for all heads, with zeros for the other heads; sums without a maximum, the mask as a number of each
  key, also with heads in groups; `bmm` and softmax.
  Heads taken together until sixteen numbers are full did help.
* Sums of look-ups in tables of names, places and values in place of features: quicker than mapping every token, slower
  than finding the distinct ones first, and without a gradient.
* Compiling on a CPU: what a graph saves in small layers its guards cost again, and for many rows inductor's code is
  slower than what the layers do by hand.
* Inside the `forward` of a plug-in's own module nothing is left out, which is most of `shipped` and `foreign` layers
  above: calls of its inner modules are torch's own.
""".splitlines()
