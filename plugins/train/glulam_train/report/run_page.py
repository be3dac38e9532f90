"""A run's data as what its page says, piece by piece."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from glulam_train.report.figures import count, margin, number, span
from glulam_train.report.metrics import GROUPS, charts_of, smoothing
from glulam_train.report.outside import picture_of, record
from glulam_train.report.policy import policy_table
from glulam_train.settings import TrainSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from glulam_train.report.folder import RunData
    from glulam_train.report.policy import PolicyTable

__all__ = ["run_page"]

AGREES = 1e-3  # |ratio - 1| up to which training and rollout are the same but for rounding
STDERR_LINES = 15


def run_page(run: RunData, episodes: int) -> dict[str, Any]:
    """Return what the template of a run's page is filled with.

    Args:
        run: the run.
        episodes: how many to play and to film now, beside the films that the folder holds.
    """
    settings = run.settings
    table = policy_table(run.header, run.sizes, run.settings.losses) if run.header is not None else None
    films = [*run.films, *(record(run.path / "checkpoint.safetensors", settings.env, episodes) if episodes else [])]
    limits = {"grad_norm": (settings.max_grad_norm, f"clipped at {settings.max_grad_norm:g}")}
    charts = charts_of(run.rows, limits)
    name = run.header["policy"]["name"] if run.header is not None else settings.policy
    return {
        "title": f"{name} in {settings.env}",
        "subtitle": f"A training run of glulam, seed {settings.seed}",
        "state": _state(run),
        "tiles": list(_tiles(run)),
        "notes": list(_notes(run, table)),
        "smoothing": smoothing(run.rows),
        "groups": [(group, GROUPS[group], charts[group]) for group in charts],
        "evaluations": list(_evaluations(run)),
        "films": films,
        "table": table,
        "values": sum(run.sizes.values()),
        "picture": picture_of(run.header) if run.header is not None else (None, ""),
        "policy_json": None if run.header is None else json.dumps(run.header["policy"], indent=2),
        "settings": list(_settings(settings)),
        "lock": None if run.header is None else run.header["lock"],
        "checkpoint": run.header,
        "path": str(run.path),
    }


def _state(run: RunData) -> tuple[str, str, str]:
    """Return how the run is: its kind for colours, a word, and a sentence."""
    steps = run.rows[-1]["agent_steps"] if run.rows else 0
    so_far = f"{count(steps)} of {count(run.settings.steps)} agent-steps"
    resume = f"glulam train --resume {run.path} goes on with it"
    if run.is_held:
        return "open", "under way", f"A process trains in the folder now; {so_far}."
    why = str(run.end.get("why") or "")
    match run.end.get("end"):
        case "finished":
            return "good", "finished", f"All of its {count(run.settings.steps)} agent-steps were trained."
        case "stopped":
            return "open", "stopped", f"Stopped by {why} after {so_far}; {resume}."
        case "failed":
            return "bad", "failed", f"{why[:1].upper()}{why[1:]}."
    if steps >= run.settings.steps:
        return "good", "finished", f"All of its {count(run.settings.steps)} agent-steps were trained."
    return "bad", "cut off", f"It ended without a word, as a process that is killed does, after {so_far}; {resume}."


def _tiles(run: RunData) -> Iterator[tuple[str, str, str]]:
    """Yield label, value and a note of what is to be seen first."""
    for report in run.evaluations.values():
        told = f"{report.get('episodes', '?')} episodes not seen in training, 95 % interval"
        yield "Return, evaluated", margin(report["return_mean"], report.get("return_ci95")), told
        break
    if not run.rows:
        return
    last = run.rows[-1]
    spread = last.get("return_ci95")
    told = "mean of the last episodes of training" + (", 95 % interval over them" if spread is not None else "")
    yield "Return, in training", margin(last["return_mean"], spread), told
    yield "Agent-steps", count(last["agent_steps"]), f"of {count(run.settings.steps)}; {len(run.rows):,} updates"
    yield "Time", span(last["seconds"]), "of training, without its start"
    speed = last["agent_steps"] / last["seconds"] if last["seconds"] else None
    yield "Agent-steps a second", number(speed), f"on {run.settings.device}, over the whole training"
    if "episodes" in last:
        yield "Episodes", count(last["episodes"]), "of single agents"


def _notes(run: RunData, table: PolicyTable | None) -> Iterator[str]:
    """Yield what is odd about the run, or was said of it."""
    yield from run.problems
    yield from map(str, run.end.get("notes") or ())
    if table is not None:
        yield from ([f"The policy cannot be resolved here: {table.problem}"] if table.problem else [])
        yield from table.advice
    for name in dict.fromkeys(name for row in run.rows for name in row):
        empty = sum(row.get(name) is None for row in run.rows if name in row)
        if name in {"return_mean", "return_ci95", "length_mean"}:  # unknown until the first episodes have ended
            continue
        if empty:
            yield f"{name} was not a finite number in {empty:,} of {len(run.rows):,} updates."
    error = max((row.get("ratio_error") or 0.0 for row in run.rows), default=0.0)
    if error > AGREES:
        yield (
            f"Training and rollout disagreed by {number(error)} before an update learned anything: a memory layer may "
            "compute something else in `sequence` than in `step`."
        )
    stderr = run.path / "stderr.txt"
    if run.end.get("end") == "failed" and stderr.is_file():
        lines = stderr.read_text(encoding="utf-8", errors="replace").splitlines()[-STDERR_LINES:]
        yield "The last that its process said:\n" + "\n".join(lines)


def _evaluations(run: RunData) -> Iterator[Sequence[str]]:
    for name, report in run.evaluations.items():
        yield (
            name,
            str(report.get("environment", "?")),
            margin(report["return_mean"], report.get("return_ci95")),
            str(report.get("episodes", "?")),
            number(report.get("length_mean")),
            _seeds(report),
        )


def _seeds(report: Mapping[str, Any]) -> str:
    found = report.get("seeds", [report.get("seed", "?")])
    return ", ".join(str(seed.get("seed", "?") if isinstance(seed, dict) else seed) for seed in found)


def _settings(settings: TrainSettings) -> Iterator[tuple[str, str, str, bool]]:
    """Yield each setting, its value, its default, and whether they differ."""
    plain: Mapping[str, Any] = settings.plain()
    for field in attrs.fields(TrainSettings):
        required = field.default is attrs.NOTHING
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        value = plain[field.name]
        yield field.name, _written(value), "" if required else _written(default), not required and value != default


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
