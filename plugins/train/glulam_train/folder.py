"""The folder of a run: which files there are, and what of them a resumed run goes on with."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from glulam import GlulamError
from glulam_train.resume import ResumePoints

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from glulam_train.settings import TrainSettings

__all__ = ["RunFolder"]


class RunFolder:
    """The files of a run.

    Args:
        path: the folder; made when the run starts, with its parents.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings = path / "settings.yaml"
        self.checkpoint = path / "checkpoint.safetensors"
        self.metrics = path / "metrics.jsonl"
        self.curve = path / "curve.png"
        self.points = path / "resume"
        self.tensorboard = path / "tensorboard"

    def check_free(self, *, overwrite: bool = False) -> None:
        """Refuse to write over anything.

        Args:
            overwrite: the files of an earlier run may be replaced; other files are never touched.

        Raises:
            GlulamError: if the folder exists and holds anything, unless it may be overwritten.
        """
        path = self.path
        with self._writing():
            taken = path.exists() and (not path.is_dir() or any(path.iterdir()))
        if taken and not (overwrite and path.is_dir()):
            msg = f"{path} is there already and not empty: name another folder with --out, add --overwrite, "
            msg += f"or go on with it: glulam train --resume {path}"
            raise GlulamError(msg)

    def start(self, settings: TrainSettings) -> None:
        """Make the folder and write the settings; what an earlier run left goes.

        Raises:
            GlulamError: if that is not possible.
        """
        with self._writing():
            self.path.mkdir(parents=True, exist_ok=True)
            for old in (self.checkpoint, self.metrics, self.curve):
                old.unlink(missing_ok=True)
            for old in (self.points, self.tensorboard):
                shutil.rmtree(old, ignore_errors=True)
            self.write_settings(settings)
            self.metrics.touch()

    def write_settings(self, settings: TrainSettings) -> None:
        """Write the settings, whole or not at all."""
        _replace(self.settings, settings.to_yaml())

    def resume_points(self, settings: TrainSettings) -> ResumePoints:
        """Return the points that a run with these settings is resumed from."""
        return ResumePoints(self.points, settings.keep_checkpoints)

    def cut_metrics(self, agent_steps: int) -> list[dict[str, Any]]:
        """Drop the rows after `agent_steps`, and a line that was cut short, and return the others."""
        rows = []
        lines = self.metrics.read_text(encoding="utf-8").splitlines() if self.metrics.exists() else []
        for line in lines:
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                break
            if row["agent_steps"] > agent_steps:
                break
            rows.append(row)
        with self._writing():
            _replace(self.metrics, "".join(json.dumps(row) + "\n" for row in rows))
        return rows

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            msg = f"cannot write to the folder {self.path}: {error.strerror}; name another with --out"
            raise GlulamError(msg) from error


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
