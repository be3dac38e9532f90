"""What a sweep will cost: runs, agent-steps, and a time from a trial of each variant."""

from __future__ import annotations

import heapq
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from glulam import GlulamError
from glulam_train.sweep.disk import last_row, rows_of, stderr_tail, write_inputs
from glulam_train.sweep.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from glulam_train.sweep.plan import Cell, Key, Plan

__all__ = ["Budget", "Pace", "clock", "duration", "measure"]

WARM, TIMED = 1, 3  # updates of a trial


@attrs.frozen
class Pace:
    """How fast a variant trains, and how long its process takes before and after.

    Attributes:
        steps_per_second: agent-steps a second while it trains.
        startup: seconds before and after.
    """

    steps_per_second: float
    startup: float


@attrs.frozen
class Budget:
    """What is left to run, and how long that takes.

    Attributes:
        cells: the runs that are left.
        paces: by variant, how fast it trains.
        jobs: how many runs go on at a time.
    """

    cells: tuple[Cell, ...]
    paces: Mapping[str, Pace]
    jobs: int

    @property
    def agent_steps(self) -> int:
        """Agent-steps that are left."""
        return sum(map(_steps_left, self.cells))

    @property
    def seconds(self) -> float:
        """An estimate of the time of all of it."""
        return duration(self.cells, self.paces, self.jobs)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row a variant."""
        rows = []
        for name in dict.fromkeys(cell.variant for cell in self.cells):
            cells = [cell for cell in self.cells if cell.variant == name]
            rows.append(
                {
                    "variant": name,
                    "runs": len(cells),
                    "agent_steps": sum(map(_steps_left, cells)),
                    "agent_steps_per_second": round(self.paces[name].steps_per_second, 1),
                    "seconds_a_run": round(sum(_seconds_left(cell, self.paces) for cell in cells) / len(cells), 1),
                }
            )
        return rows

    def to_json(self) -> dict[str, Any]:
        """Return the budget as `--dry-run --format json` prints it."""
        head = {"runs": len(self.cells), "agent_steps": self.agent_steps, "jobs": self.jobs}
        return head | {"seconds": round(self.seconds, 1), "variants": self.rows()}

    def lines(self) -> list[str]:
        """Return the budget for people."""
        runs = f"{len(self.cells)} run{'s' * (len(self.cells) != 1)}"
        table = [("variant", "runs", "agent-steps", "agent-steps/s", "time a run")]
        for row in self.rows():
            speed = f"{row['agent_steps_per_second']:,.0f}"
            steps = f"{row['agent_steps']:,}"
            table.append((row["variant"], str(row["runs"]), steps, speed, clock(row["seconds_a_run"])))
        first, *rest = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [f"{runs}, {self.agent_steps:,} agent-steps in all, {self.jobs} at a time"]
        for name, *cells in table:
            told = "  ".join(cell.rjust(width) for cell, width in zip(cells, rest, strict=True))
            lines.append(f"  {name.ljust(first)}  {told}")
        return [*lines, f"about {clock(self.seconds)} (hours:minutes:seconds) by a trial of each variant"]


def measure(plan: Plan, cells: Sequence[Cell], jobs: int) -> Budget:
    """Try each variant that has runs left for a few updates, in a folder of its own that goes, and return the budget.

    A variant that comes after another is tried with what the other's trial left, so that all of it is tried.

    Raises:
        GlulamError: if one cannot be trained, with what its process said, or a signal ends the trials.
    """
    names = dict.fromkeys(cell.variant for cell in cells)
    with tempfile.TemporaryDirectory(prefix="glulam_sweep_") as folder:
        trial = plan.trial(Path(folder), plan.sweep.with_those_before(names), WARM + TIMED)
        write_inputs(trial, trial.cells)
        clocks = _Clocks()
        pool = Pool(jobs, plan.sweep.path.parent.absolute(), clocks)
        pool.run(trial.cells)
        if pool.stopped:
            msg = f"stopped by {pool.stopped} in the trial; nothing was trained"
            raise GlulamError(msg)
        for cell in trial.cells:
            if clocks.states[cell.key] == "failed":
                msg = (
                    f"{plan.sweep.path}: variants.{cell.variant}: its trial of {WARM + TIMED} updates failed, so that "
                )
                msg += f"nothing was trained:\n{stderr_tail(cell.folder)}"
                raise GlulamError(msg)
        paces = {cell.variant: _pace(cell, clocks.seconds[cell.key]) for cell in trial.cells}
    return Budget(tuple(cells), paces, jobs)


class _Clocks:
    """Takes the time of whole processes."""

    def __init__(self) -> None:
        self.states: dict[Key, str] = {}
        self.seconds: dict[Key, float] = {}

    def started(self, cell: Cell) -> None:
        self.seconds[cell.key] = -time.monotonic()

    def ended(self, cell: Cell, state: str) -> None:
        self.states[cell.key] = state
        self.seconds[cell.key] = self.seconds.get(cell.key, 0.0) + time.monotonic()

    def looked(self, running: Sequence[Cell]) -> None:
        """Show nothing: a trial is short."""


def _pace(cell: Cell, seconds: float) -> Pace:
    rows = rows_of(cell.folder)
    first, last = rows[WARM - 1], rows[-1]
    speed = (last["agent_steps"] - first["agent_steps"]) / max(last["seconds"] - first["seconds"], 1e-6)
    return Pace(speed, max(0.0, seconds - last["seconds"]))


def duration(
    cells: Iterable[Cell], paces: Mapping[str, Pace], jobs: int, seconds: Callable[[Cell], float] | None = None
) -> float:
    """Return how long runs take, so many at a time, in their order, each after the one that it waits for.

    Args:
        cells: the runs, those under way first.
        paces: of each variant.
        jobs: how many at a time.
        seconds: how long one takes; from what is left of it and its variant's pace when None.
    """
    ends: dict[Key, float] = {}
    free = [0.0] * jobs
    for cell in cells:
        begins = max(heapq.heappop(free), 0.0 if cell.after is None else ends.get(cell.after, 0.0))
        ends[cell.key] = begins + (seconds(cell) if seconds else _seconds_left(cell, paces))
        heapq.heappush(free, ends[cell.key])
    return max(ends.values(), default=0.0)


def _steps_left(cell: Cell) -> int:
    row = last_row(cell.folder)
    return max(0, cell.settings.steps - (row["agent_steps"] if row else 0))


def _seconds_left(cell: Cell, paces: Mapping[str, Pace]) -> float:
    pace = paces[cell.variant]
    return pace.startup + _steps_left(cell) / pace.steps_per_second


def clock(seconds: float) -> str:
    """Return a time as hours:minutes:seconds."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
