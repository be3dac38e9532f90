"""A sweep's results as what its page says: variants compared, over seeds."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from glulam import GlulamError
from glulam_train.report.chart import Chart, Line
from glulam_train.report.figures import count, number, span, steps
from glulam_train.sweep.statistics import band

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["RESULTS", "read_sweep_results", "sweep_page"]

RESULTS = "results.json"
"""The file by which a folder is known for a sweep's."""
POINTS = 200
COLOURS, DASHES = 7, 4  # in style.css
TOLD = (
    "The mean over seeds of each variant, with its 95 % bootstrap interval over them; thin lines are single seeds. "
    "A seed's own curve is the mean of the episodes that ended last, 100 or more; nothing else is smoothed."
)
Curve = tuple["NDArray[Any]", "NDArray[Any]"]


def read_sweep_results(folder: Path) -> dict[str, Any]:
    """Return what the `results.json` of a sweep's folder holds.

    Raises:
        GlulamError: if it cannot be read, or is no sweep's.
    """
    path = folder / RESULTS
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read: {error}; `glulam sweep` writes it again when it is run again"
        raise GlulamError(msg) from error
    if not isinstance(data, dict) or data.get("glulam_sweep") != 1:
        msg = f"{path} is not what `glulam sweep` writes: it has no `glulam_sweep: 1`"
        raise GlulamError(msg)
    missing = [name for name in ("file", "sweep", "versions", "variants", "runs") if name not in data]
    if missing:
        msg = f"{path} lacks {', '.join(missing)}; `glulam sweep` writes it again when it is run again"
        raise GlulamError(msg)
    return data


def sweep_page(folder: Path, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the template of a sweep's page is filled with."""
    runs, variants = data["runs"], data["variants"]
    states = [run["state"] for run in runs]
    done, failed = states.count("finished"), states.count("failed")
    sweep = data["sweep"]
    chart = _chart(runs, [row["variant"] for row in variants])
    total = sum(run["agent_steps"] for run in runs)
    seconds = sum(run["seconds"] for run in runs)
    return {
        "title": f"{data['file'].removesuffix('.yaml')}: a sweep of {len(variants)} variants",
        "subtitle": " in ".join(str(sweep[name]) for name in ("policy", "env") if name in sweep),
        "state": _state(len(runs), done, failed),
        "tiles": [
            ("Runs finished", f"{done} of {len(runs)}", f"{failed} failed" if failed else "none failed"),
            ("Agent-steps", count(total), "over all runs"),
            ("Time", span(seconds), "of training, the sum over runs"),
        ],
        "smoothing": None,
        "groups": [] if chart.is_empty else [("returns", "Returns", [chart])],
        "variants": [_variant(row) for row in variants],
        "reaches": any("threshold" in row for row in variants),
        "runs": [_run(folder, run) for run in runs],
        "file": json.dumps(sweep, indent=2),
        "versions": data["versions"],
        "path": str(folder),
    }


def _state(runs: int, done: int, failed: int) -> tuple[str, str, str]:
    if failed:
        return "bad", "failed in part", f"{failed} of {runs} runs failed; they are left out of the means."
    if done < runs:
        return "open", "unfinished", f"{runs - done} of {runs} runs are not finished; they are left out of the means."
    return "good", "finished", "All runs are finished."


def _variant(row: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: _interval(row[name]) for name in ("final_return", "difference", "improvement", "area")}
    told |= {"variant": row["variant"], "seeds": f"{row['n']} of {row['seeds']}", "minutes": number(row["minutes"])}
    told["speed"] = number(row["agent_steps_per_second"])
    reached = row.get("threshold")
    if reached is not None:
        at = reached["agent_steps"]
        never = "never" if row["n"] else number(None)
        told["threshold"] = never if at is None else f"{steps(at)} ({reached['reached']} of {row['n']})"
    return told


def _run(folder: Path, run: Mapping[str, Any]) -> dict[str, Any]:
    report = f"{run['variant']}/seed_{run['seed']}/report.html"
    return {
        "variant": run["variant"],
        "seed": run["seed"],
        "state": run["state"],
        "agent_steps": count(run["agent_steps"]),
        "final_return": number(run["final_return"]),
        "time": span(run["seconds"]),
        "report": report if (folder / report).is_file() else None,
    }


def _interval(found: Mapping[str, float | None] | None) -> str:
    if found is None:
        return number(None)
    if found["low"] is None:
        return number(found["value"])
    return f"{number(found['value'])} [{number(found['low'])}, {number(found['high'])}]"


def _chart(runs: Iterable[Mapping[str, Any]], variants: Sequence[str]) -> Chart:
    curves = [(run["variant"], _known(run["curve"])) for run in runs]
    found = {name: [curve for of, curve in curves if of == name and curve is not None] for name in variants}
    return Chart(name="return", title="Return", told=TOLD, lines=list(_lines(found)), tall=True)


def _lines(found: Mapping[str, Sequence[Curve]]) -> Iterator[Line]:
    """Yield the lines of single seeds, and on top of them those of the variants, all on one grid."""
    every = [curve for curves in found.values() for curve in curves]
    if not every:
        return
    grid = np.linspace(min(x[0] for x, _ in every), max(x[-1] for x, _ in every), POINTS)
    named = []
    for place, (name, curves) in enumerate(found.items()):
        if not curves:
            continue
        seeds = np.stack([np.interp(grid, x, y, left=np.nan, right=np.nan) for x, y in curves])
        look = partial(Line, x=list(grid), colour=place % COLOURS + 1, dash=place // COLOURS % DASHES)
        if len(seeds) > 1:
            yield from (look(name="", y=_plain(values), thin=True) for values in seeds)
        shared: NDArray[Any] = np.asarray((~np.isnan(seeds)).all(0))  # where every seed has a return
        edges = band(seeds[:, shared])
        low, high = (None, None) if edges is None else (_placed(edge, shared) for edge in edges)
        told = f"{name} ({len(curves)} seed{'s' * (len(curves) != 1)})"
        named.append(look(name=told, y=_placed(seeds[:, shared].mean(0), shared), low=low, high=high))
    yield from named


def _known(curve: Mapping[str, Sequence[float | None]]) -> Curve | None:
    pairs = [(x, y) for x, y in zip(curve["agent_steps"], curve["return_mean"], strict=True) if y is not None]
    if not pairs:
        return None
    x, y = np.asarray(pairs, dtype=np.float64).T
    return x, y


def _placed(values: NDArray[Any], shared: NDArray[Any]) -> list[float | None]:
    """Return values on the whole grid, None where not every seed has one."""
    found = np.full(len(shared), np.nan)
    found[shared] = values
    return _plain(found)


def _plain(values: NDArray[Any]) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
