"""What a user sees of a sweep: bars on a terminal, lines elsewhere, and the table at the end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from glulam_train.sweep.budget import clock, duration
from glulam_train.sweep.disk import last_row, stderr_tail

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.progress import TaskID

    from glulam_train.sweep.budget import Budget
    from glulam_train.sweep.plan import Cell, Key

__all__ = ["Display", "summary_table"]

SECONDS_BETWEEN_LINES = 30.0
SECONDS_BETWEEN_LOOKS = 0.5
WIDE = 160  # columns of a table that no terminal shows


class Display:
    """Shows how far a sweep is, overall and for each run under way; a context manager.

    Args:
        budget: what is to be run.
        done: called when a run has ended, to write results.
        console: where to; standard error when None.
    """

    def __init__(self, budget: Budget, done: Callable[[], object], console: Console | None = None) -> None:
        self.budget, self.done = budget, done
        self.console = console or Console(stderr=True)
        self.states: dict[Key, str] = {}
        self._bars = _bars(self.console) if self.console.is_terminal else None
        self._tasks: dict[Key, TaskID] = {}
        self._next_look = time.monotonic() + SECONDS_BETWEEN_LOOKS
        self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._bars.start()
            self._all = self._bars.add_task("all", total=max(1, self._total), told="")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    @property
    def _total(self) -> int:
        return sum(cell.settings.steps for cell in self.budget.cells)

    def started(self, cell: Cell) -> None:
        """Show a run that begins."""
        row = last_row(cell.folder)
        if self._bars is not None:
            self._tasks[cell.key] = self._bars.add_task(str(cell), total=cell.settings.steps, told="")
        else:
            self._print(f"{cell}: " + (f"goes on, {row['agent_steps']:,} agent-steps" if row else "begins"))

    def ended(self, cell: Cell, state: str) -> None:
        """Show how a run ended."""
        self.states[cell.key] = state
        if self._bars is not None and cell.key in self._tasks:
            self._bars.remove_task(self._tasks.pop(cell.key))
            self._bars.update(self._all, told=self._counts())
        told = f"{cell}: {state}"
        if state == "skipped" and cell.after is not None:
            told += f", since {cell.after[0]} seed {cell.after[1]} is not finished"
        row = last_row(cell.folder)
        if row is not None:
            told += f", {row['agent_steps']:,} agent-steps, return {_return(row)}"
        self._print(f"{told}; {self._counts()}")
        self.done()

    def looked(self, running: Sequence[Cell]) -> None:
        """Show how far runs are, now and then."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + SECONDS_BETWEEN_LOOKS
        rows = {cell.key: last_row(cell.folder) for cell in running}
        if self._bars is None:
            if now >= self._next_line:
                self._next_line = now + SECONDS_BETWEEN_LINES
                self._print(f"{self._counts()}, about {clock(self._left(running, rows))} left")
            return
        for cell in running:
            row = rows[cell.key]
            if row is not None:
                told = f"{row['agent_steps']:,}/{cell.settings.steps:,}  return {_return(row)}"
                self._bars.update(self._tasks[cell.key], completed=row["agent_steps"], told=told)
        ended = sum(cell.settings.steps for cell in self.budget.cells if cell.key in self.states)
        under_way = sum(row["agent_steps"] for row in rows.values() if row is not None)
        told = f"{self._counts()}, about {clock(self._left(running, rows))} left"
        self._bars.update(self._all, completed=ended + under_way, told=told)
        self._bars.refresh()

    def _left(self, running: Sequence[Cell], rows: dict[Key, dict[str, Any] | None]) -> float:
        """Estimate the time left: of runs under way by their own pace, of the others by their variant's trial."""
        keys = {cell.key for cell in running}
        waiting = [cell for cell in self.budget.cells if cell.key not in keys and cell.key not in self.states]

        def seconds(cell: Cell) -> float:
            row, pace = rows.get(cell.key), self.budget.paces[cell.variant]
            steps = cell.settings.steps - (row["agent_steps"] if row else 0)
            startup = 0.0 if cell.key in keys and row else pace.startup
            speed = row["agent_steps"] / max(row["seconds"], 1e-6) if row else pace.steps_per_second
            return startup + max(0, steps) / speed

        return duration([*running, *waiting], self.budget.paces, self.budget.jobs, seconds)

    def _counts(self) -> str:
        finished = sum(state == "finished" for state in self.states.values())
        failed = sum(state == "failed" for state in self.states.values())
        return f"{finished} of {len(self.budget.cells)} runs finished" + (f", {failed} failed" if failed else "")

    def _print(self, text: str) -> None:
        self.console.print(Text(text), soft_wrap=True)

    def failures(self) -> list[str]:
        """Return, for each run that failed, the end of what its process wrote."""
        return [
            f"{cell} failed; its folder is {cell.folder}\n{stderr_tail(cell.folder)}"
            for cell in self.budget.cells
            if self.states.get(cell.key) == "failed"
        ]


def _return(row: dict[str, Any]) -> str:
    return "-" if row["return_mean"] is None else f"{row['return_mean']:.2f}"


def _bars(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TextColumn("{task.fields[told]}"))
    return Progress(*columns, console=console, redirect_stdout=False)


def summary_table(summary: Sequence[dict[str, Any]], console: Console | None = None) -> None:
    """Print one row a variant, intervals below their values where a terminal is too narrow to have them beside.

    Args:
        summary: as results have it.
        console: where to; standard output when None.
    """
    console = console or Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = max(console.width, WIDE)
    wide = _table(summary, " ")
    fits = console.measure(wide, options=console.options.update(width=2 * WIDE)).maximum <= console.width
    console.print(wide if fits else _table(summary, "\n"))


def _table(summary: Sequence[dict[str, Any]], between: str) -> Table:
    table = Table(box=None, padding=(0, 2 if between == " " else 1, 0, 0), pad_edge=False)
    table.add_column("variant", overflow="fold")
    reaches = any("threshold" in row for row in summary)
    headings = ["seeds", "final return", "difference", "P(better)", "area", *["reached at"] * reaches]
    for heading in [*headings, f"agent-{between.strip(' ')}steps/s", "minutes"]:
        table.add_column(heading, justify="right", no_wrap=between == " ")
    for row in summary:
        cells = [_interval(row[name], between) for name in ("final_return", "difference", "improvement")]
        cells += ["-" if row["area"] is None else f"{row['area']['value']:.2f}"]
        if reaches:
            at, reached = row["threshold"]["agent_steps"], f"{row['threshold']['reached']}/{row['n']}"
            cells.append("-" if not row["n"] else "never" if at is None else f"{at:,.0f}{between}({reached})")
        speed = row["agent_steps_per_second"]
        cells += ["-" if speed is None else f"{speed:,.0f}", f"{row['minutes']:.1f}"]
        table.add_row(Text(row["variant"]), f"{row['n']}/{row['seeds']}", *cells)
    return table


def _interval(found: dict[str, float | None] | None, between: str) -> str:
    if found is None:
        return "-"
    edges = "" if found["low"] is None else f"{between}[{found['low']:.2f}, {found['high']:.2f}]"
    return f"{found['value']:.2f}{edges}"
