"""What a user sees of a training: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.progress import Task
    from rich.text import Text

__all__ = ["TrainingProgress", "summary"]

SECONDS_BETWEEN_LINES = 10.0


class TrainingProgress:
    """Shows steps, steps a second, return, loss and time left; a context manager.

    Args:
        steps: agent-steps of the whole training.
        console: where to; standard error when None.
    """

    def __init__(self, steps: int, console: Console | None = None) -> None:
        self.steps = steps
        self.console = console or Console(stderr=True)
        self._bar = _bar(self.console) if self.console.is_terminal else None
        self._next_line = 0.0

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("training", total=self.steps, summary="")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, row: Mapping[str, Any]) -> None:
        """Show one update: a row of `metrics.jsonl`."""
        if self._bar is not None:
            self._bar.update(self._task, completed=row["agent_steps"], summary=summary(row))
        elif time.monotonic() >= self._next_line or row["agent_steps"] >= self.steps:
            self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES
            left = _clock((self.steps - row["agent_steps"]) / max(row["steps_per_second"], 1e-9))
            text = f"{row['agent_steps']:,} of {self.steps:,} steps  {summary(row)}  {left} left"
            self.console.print(text, highlight=False, soft_wrap=True)


def summary(row: Mapping[str, Any]) -> str:
    """Return speed, return, loss and entropy of an update on one line."""
    parts = [f"{row['steps_per_second']:,.0f} steps/s"]
    parts.append("return -" if row["return_mean"] is None else f"return {row['return_mean']:.2f}")
    for name, value in row.items():
        short = name.rpartition("/")[2]
        if short in ("loss", "policy_loss", "value_loss", "entropy") and value is not None:
            parts.append(f"{short.replace('_loss', '')} {value:.3f}")
    return "  ".join(parts)


class _Steps(ProgressColumn):
    """`123,456/1,000,000`."""

    def render(self, task: Task) -> Text:
        from rich.text import Text

        return Text(f"{int(task.completed):,}/{int(task.total or 0):,}")


def _bar(console: Console) -> Progress:
    return Progress(
        BarColumn(bar_width=20),
        _Steps(),
        TextColumn("{task.fields[summary]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
        console=console,
        redirect_stdout=False,
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
