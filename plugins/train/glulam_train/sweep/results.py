"""The results of a sweep: a row a run, with its curve, and a summary a variant. Imports no torch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from glulam_train.files import replace_text
from glulam_train.sweep.disk import exit_of, is_finished, rows_of, writing
from glulam_train.sweep.statistics import difference, improvement, mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from glulam_train.sweep.plan import Cell, Key, Plan
    from glulam_train.sweep.sweep_file import Sweep

__all__ = ["Results"]

FINAL = 0.1  # the last tenth of the agent-steps is what a final return is the mean of
SMOOTH = 0.05  # of the agent-steps: what the return is the mean of when it is to reach a threshold
DIGITS = 6


class Results:
    """What is in a sweep's folder, read anew when asked; the rows of finished runs are read once.

    Args:
        plan: the runs that the file names; others in the folder are left out.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._finished: dict[Key, dict[str, Any]] = {}

    def rows(self) -> list[dict[str, Any]]:
        """Return one row a run, in the order of the file."""
        order = {variant.name: number for number, variant in enumerate(self.plan.sweep.variants)}
        cells = sorted(self.plan.cells, key=lambda cell: order[cell.variant])  # stable: seeds keep theirs
        return [self._row(cell) for cell in cells]

    def _row(self, cell: Cell) -> dict[str, Any]:
        if cell.key not in self._finished:
            row = _row(cell, self.plan.sweep.threshold)
            if row["state"] != "finished":
                return row
            self._finished[cell.key] = row
        return self._finished[cell.key]

    def write(self) -> list[dict[str, Any]]:
        """Write `results.json` and `curves.png`, each whole or not at all, and return the summary.

        Raises:
            GlulamError: if that is not possible.
        """
        from glulam_train.sweep.curves import draw_curves

        rows = self.rows()
        sweep = self.plan.sweep
        summary = summarise(sweep, rows)
        data = {
            "glulam_sweep": 1,
            "file": sweep.path.name,
            "sweep": sweep.content,
            "versions": _versions(),
            "variants": summary,
            "runs": rows,
        }
        with writing(self.plan.folder):
            replace_text(self.plan.folder / "results.json", json.dumps(data, indent=1) + "\n")
            draw_curves(rows, [variant.name for variant in sweep.variants], self.plan.folder / "curves.png")
        return summary


def _row(cell: Cell, threshold: float | None) -> dict[str, Any]:
    rows = rows_of(cell.folder)
    known = [(row["agent_steps"], row["return_mean"]) for row in rows if row["return_mean"] is not None]
    steps = rows[-1]["agent_steps"] if rows else 0
    final = [value for at, value in known if at > (1 - FINAL) * steps]
    code = exit_of(cell)
    state = "finished" if is_finished(cell) else "failed" if code else "unfinished" if rows else "not begun"
    seconds = rows[-1]["seconds"] if rows else 0.0
    row = {
        "variant": cell.variant,
        "seed": cell.seed,
        "state": state,
        "exit": code,
        "agent_steps": steps,
        "seconds": round(seconds, DIGITS),
        "final_return": _average(final),
        "area": _average([value for _, value in known]),
    }
    if threshold is not None:
        row["threshold_steps"] = _first_above(known, threshold, SMOOTH * cell.settings.steps)
    curve = {name: [_rounded(item[name]) for item in rows] for name in ("agent_steps", "seconds", "return_mean")}
    return row | {"curve": curve}


def _first_above(known: Sequence[tuple[int, float]], threshold: float, window: float) -> int | None:
    """Return the agent-steps at which the mean return of the last `window` of them, all played, reaches a threshold."""
    first = 0
    for last, (steps, _) in enumerate(known):
        while known[first][0] <= steps - window:
            first += 1
        values = [value for _, value in known[first : last + 1]]
        if steps >= window and sum(values) / len(values) >= threshold:
            return steps
    return None


def summarise(sweep: Sweep, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row a variant, from its finished runs; the first variant is what others are compared with."""
    finals: dict[str, list[float]] = {}
    summary: list[dict[str, Any]] = []
    listed = list(rows)
    for variant in sweep.variants:
        ours = [row for row in listed if row["variant"] == variant.name]
        done = [row for row in ours if row["state"] == "finished"]
        finals[variant.name] = values = [row["final_return"] for row in done if row["final_return"] is not None]
        base = finals[sweep.variants[0].name]
        first = variant is sweep.variants[0]
        row = {
            "variant": variant.name,
            "seeds": len(ours),
            "n": len(values),
            "failed": sum(row["state"] == "failed" for row in ours),
            "final_return": _rounded(mean(values)),
            "difference": None if first else _rounded(difference(values, base)),
            "improvement": None if first else _rounded(improvement(values, base)),
            "area": _rounded(mean([row["area"] for row in done if row["area"] is not None])),
            "agent_steps_per_second": _speed(done),
            "minutes": round(sum(row["seconds"] for row in done) / 60, 2),
        }
        if sweep.threshold is not None:
            reached = [row["threshold_steps"] for row in done if row["threshold_steps"] is not None]
            row["threshold"] = {"reached": len(reached), "agent_steps": _average(reached)}
        summary.append(row)
    return summary


def _speed(rows: Sequence[dict[str, Any]]) -> float | None:
    seconds = sum(row["seconds"] for row in rows)
    return round(sum(row["agent_steps"] for row in rows) / seconds, 1) if seconds else None


def _average(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), DIGITS) if values else None


def _rounded(value: Any) -> Any:  # noqa: ANN401 - any plain value
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    return round(value, DIGITS) if isinstance(value, float) else value


def _versions() -> dict[str, str]:
    """Return the versions of glulam, of every distribution that plugs into it, and of torch."""
    from importlib.metadata import version

    import glulam

    found = {item.name: item.version for item in glulam.registry().distributions}
    return {"glulam": version("glulam"), "torch": version("torch")} | found
