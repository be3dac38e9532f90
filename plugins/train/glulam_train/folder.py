"""The folder of a run: which files there are, and what of them a resumed run goes on with."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import glulam
from glulam import GlulamError
from glulam_train.files import replace_text
from glulam_train.launch import launch
from glulam_train.resume import ResumePoints
from glulam_train.settings import read_settings

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glulam import Policy
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
        self.end = path / "end.json"
        self.points = path / "resume"
        self.tensorboard = path / "tensorboard"
        self.launch = path / ".torchrun"
        self._handle: int | None = None

    def check_free(self, *, overwrite: bool = False) -> None:
        """Refuse to write over anything that no run has left.

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
        ours = [self.settings, self.checkpoint, self.metrics, self.curve, self.end, self.points, self.tensorboard]
        names = [file.name for file in ours if file.exists()]
        if names and not self._is_run():
            msg = f"{path} holds {', '.join(names)}, but no settings.yaml of a run: name another folder with --out"
            raise GlulamError(msg)

    def check_kept(self, settings: TrainSettings) -> None:
        """Refuse to start anew here from what would go by that: a checkpoint of this folder.

        Raises:
            GlulamError: naming the file, if it is there and the settings name it.
        """
        for text in _texts(settings.plain()):
            path = Path(text)
            if path.is_file() and path.resolve() in {self.checkpoint.resolve(), *self.points.resolve().glob("*/*")}:
                msg = f"{path} is what this run is to start from or to learn from, and it would be replaced: "
                msg += "name another folder with --out"
                raise GlulamError(msg)

    def _is_run(self) -> bool:
        try:
            read_settings(self.settings)
        except GlulamError:
            return False
        return True

    def is_of_this_launch(self) -> bool:
        """Whether the torchrun that started this process has begun the run here, so that it is to go on."""
        try:
            return self.launch.read_text(encoding="utf-8").strip() == launch()
        except OSError:
            return False

    def hold(self) -> None:
        """Keep other processes out of the folder until `release`, or until this process ends, however it does.

        Raises:
            GlulamError: if another process holds it.
        """
        if fcntl is None or self._handle is not None:
            return
        with self._writing():
            handle = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(handle)
            msg = f"another process trains in {self.path}: wait for it, or end it"
            raise GlulamError(msg) from error
        except OSError:  # a file system without locks
            os.close(handle)
            return
        self._handle = handle

    def release(self) -> None:
        """Let other processes in."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def start(self, settings: TrainSettings) -> None:
        """Make the folder and write the settings; what an earlier run left goes.

        Raises:
            GlulamError: if that is not possible.
        """
        with self._writing():
            self.path.mkdir(parents=True, exist_ok=True)
        self.hold()
        with self._writing():
            self.launch.unlink(missing_ok=True)
            for old in (self.checkpoint, self.metrics, self.curve, *self.tensorboard.glob("events.out.tfevents.*")):
                old.unlink(missing_ok=True)
            self.resume_points(settings).clear()
            if launch() is not None:
                replace_text(self.launch, f"{launch()}\n")
        self.write_settings(settings)
        with self._writing():
            self.metrics.touch()

    def write_settings(self, settings: TrainSettings) -> None:
        """Write the settings, whole or not at all, and drop what an earlier process left: an end, half a file.

        Raises:
            GlulamError: if the folder cannot be written.
        """
        with self._writing():
            self.end.unlink(missing_ok=True)
            for file in (self.settings, self.checkpoint, self.metrics, self.curve, self.launch):
                for part in self.path.glob(f".part.*.{file.name}"):  # of a process that was killed
                    part.unlink(missing_ok=True)
            replace_text(self.settings, settings.to_yaml())

    def save_policy(self, policy: Policy) -> None:
        """Write the checkpoint, whole or not at all.

        Raises:
            GlulamError: if that is not possible; the one before it and the points to resume from are intact.
        """
        try:
            glulam.save(policy, self.checkpoint)
        except GlulamError as error:
            msg = (
                f"{error}; the points to resume from are intact: once that is mended go on with glulam train --resume "
            )
            raise GlulamError(msg + str(self.path)) from error

    @contextmanager
    def ending(self, *, noted: bool = True) -> Iterator[dict[str, Any]]:
        """Note in `end.json` how a training ended and why; what the body puts into the mapping is noted too.

        A process that is killed notes nothing; nor does one that cannot write, since what it has saved is whole.

        Args:
            noted: whether it is for this process to note it.
        """
        told: dict[str, Any] = {"end": "finished", "why": None}
        try:
            yield told
        except Exception as error:
            why = str(error) if isinstance(error, GlulamError) else f"{type(error).__name__}: {error}"
            told |= {"end": "failed", "why": why}
            raise
        except BaseException:
            noted = False
            raise
        finally:
            if noted:
                with suppress(OSError):
                    replace_text(self.end, json.dumps(told) + "\n")

    @property
    def is_held(self) -> bool:
        """Whether a process trains here now; False where the file system has no locks."""
        if fcntl is None or not self.path.is_dir():
            return False
        handle = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            os.close(handle)
        return False

    @property
    def is_trained(self) -> bool:
        """Whether there is anything of a training here that a new one would replace."""
        trained = self.metrics.exists() and self.metrics.stat().st_size > 0
        return trained or self.checkpoint.exists() or any(path.name.isdigit() for path in self.points.glob("*"))

    def resume_points(self, settings: TrainSettings) -> ResumePoints:
        """Return the points that a run with these settings is resumed from."""
        return ResumePoints(self.points, settings.keep_checkpoints)

    def cut_metrics(self, agent_steps: int) -> list[dict[str, Any]]:
        """Drop the rows after `agent_steps`, and a line that was cut short, and return the others.

        Raises:
            GlulamError: if the folder cannot be written.
        """
        rows = [row for row in self.read_metrics() if row["agent_steps"] <= agent_steps]
        with self._writing():
            replace_text(self.metrics, "".join(json.dumps(row) + "\n" for row in rows))
        return rows

    def read_metrics(self) -> list[dict[str, Any]]:
        """Return the rows of the metrics, up to a line that was cut short; none where there is no file."""
        rows: list[dict[str, Any]] = []
        text = self.metrics.read_text(encoding="utf-8", errors="replace") if self.metrics.exists() else ""
        for line in text.splitlines():
            try:
                row = json.loads(line)
                kept = row["agent_steps"] >= 0 and row["seconds"] >= 0
            except (json.JSONDecodeError, TypeError, KeyError):
                kept = False
            if not kept:
                break
            rows.append(row)
        return rows

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            msg = f"cannot write to the folder {self.path}: {error.strerror}; name another with --out"
            raise GlulamError(msg) from error


def _texts(value: object) -> Iterator[str]:
    """Yield every text in a plain value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for item in value.values() for text in _texts(item))
    elif isinstance(value, list):
        yield from (text for item in value for text in _texts(item))
