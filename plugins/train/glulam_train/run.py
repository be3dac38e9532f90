"""A training run: a folder with settings, checkpoint, metrics and a curve, and the loop that fills it."""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

import glulam
from glulam import GlulamError
from glulam_train.plot import draw_curve
from glulam_train.progress import TrainingProgress
from glulam_train.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

    from rich.console import Console

    from glulam_train.settings import TrainSettings

__all__ = ["Run", "RunFolder"]


class RunFolder:
    """The files of a run.

    Args:
        path: the folder; made when the run starts, with its parents.
        overwrite: replace the files of an earlier run; other files are never touched.

    Raises:
        GlulamError: if the folder exists and holds anything, unless it may be overwritten.
    """

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        self.path = path
        self.settings = path / "settings.yaml"
        self.checkpoint = path / "checkpoint.safetensors"
        self.metrics = path / "metrics.jsonl"
        self.curve = path / "curve.png"
        with _writing(path):
            taken = path.exists() and (not path.is_dir() or any(path.iterdir()))
        if taken and not (overwrite and path.is_dir()):
            msg = f"{path} is there already and not empty: name another folder with --out, or add --overwrite"
            raise GlulamError(msg)

    def start(self, settings: TrainSettings) -> None:
        """Make the folder and write the settings.

        Raises:
            GlulamError: if that is not possible.
        """
        with _writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            for old in (self.checkpoint, self.metrics, self.curve):
                old.unlink(missing_ok=True)
            self.settings.write_text(settings.to_yaml(), encoding="utf-8")
            self.metrics.touch()


class Run:
    """One training from settings to a trained policy.

    Args:
        settings: what and how.
        out: the folder; nothing is written before `train`.
        overwrite: replace the files of an earlier run in that folder.

    Raises:
        GlulamError: if policy, environment, losses, settings or folder do not do.
    """

    def __init__(self, settings: TrainSettings, out: Path, *, overwrite: bool = False) -> None:
        self.settings = settings
        self.folder = RunFolder(out, overwrite=overwrite)
        self.rows: list[dict[str, Any]] = []
        self.stopped: str | None = None
        if settings.threads is not None:
            torch.set_num_threads(settings.threads)
        device = _device(settings.device)
        torch.manual_seed(settings.seed)
        self.environment = glulam.make_environment(
            settings.env, num_envs=settings.num_envs, seed=settings.environment_seed
        )
        self.policy = glulam.build(settings.policy, self.environment.spec, device=device, losses=settings.losses)
        self.trainer = Trainer(self.policy, self.environment, settings)

    def describe(self) -> str:
        """Return the sizes of policy and buffer, as printed at the start."""
        weights = sum(weight.numel() for weight in self.policy.parameters())
        buffer = self.trainer.buffer
        return (
            f"{self.policy.resolved.name} in {self.settings.env}: {weights:,} parameters, "
            f"{buffer.segments} agents, experience buffer {buffer.segments} x {buffer.horizon} steps, "
            f"{buffer.bytes / 2**20:.1f} MiB"
        )

    def train(self, *, seconds: float | None = None, console: Console | None = None) -> None:
        """Train for as many steps as the settings say; Ctrl-C and SIGTERM end it after the update under way.

        Args:
            seconds: stop after this time, if that comes first.
            console: where progress is shown; standard error when None.

        Raises:
            GlulamError: if the folder cannot be written, before anything is trained; or if training diverges.
        """
        self.folder.start(self.settings)
        glulam.save(self.policy, self.folder.checkpoint)  # whatever prevents saving shows now, not in an hour
        start, saved_at = time.perf_counter(), 0
        limit = math.inf if seconds is None else seconds
        progress = TrainingProgress(self.settings.steps, console)
        with self.folder.metrics.open("a", encoding="utf-8") as metrics, progress, _interruptible() as asked:
            while self.trainer.agent_steps < self.settings.steps and self.stopped is None:
                row = self._update(start)
                metrics.write(json.dumps(row) + "\n")
                metrics.flush()
                progress.show(row)
                self.stopped = asked() or ("time limit" if row["seconds"] >= limit else None)
                if row["agent_steps"] - saved_at >= self.settings.checkpoint_interval:
                    saved_at = row["agent_steps"]
                    glulam.save(self.policy, self.folder.checkpoint)
            glulam.save(self.policy, self.folder.checkpoint)  # while Ctrl-C still waits
        title = f"{self.policy.resolved.name} in {self.settings.env}, seed {self.settings.seed}"
        draw_curve(self.rows, self.folder.curve, title)

    def _update(self, start: float) -> dict[str, Any]:
        before = self.rows[-1]["seconds"] if self.rows else 0.0
        metrics = self.trainer.update()
        seconds = time.perf_counter() - start
        speed = self.trainer.steps_per_update / max(seconds - before, 1e-9)
        head = {"agent_steps": self.trainer.agent_steps, "seconds": seconds, "steps_per_second": speed}
        row = head | {"episodes": self.trainer.rollout.episodes.count} | metrics
        row = {name: value if value is None or math.isfinite(value) else None for name, value in row.items()}
        self.rows.append(row)
        return row

    def close(self) -> None:
        """Free the environment."""
        self.environment.close()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        msg = f"cannot write to the folder {path}: {error.strerror}; name another with --out"
        raise GlulamError(msg) from error


@contextmanager
def _interruptible() -> Iterator[Callable[[], str | None]]:
    """Give a function that says whether a signal asked to stop, and which; a second Ctrl-C stops at once."""
    asked: list[str] = []

    def ask(number: int, _: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(signal.Signals(number).name)

    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield lambda: None
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked[0] if asked else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        msg = f"device {name!r} cannot be used here: {str(error).splitlines()[0]}; write cpu"
        raise GlulamError(msg) from error
    return device
