"""What the folder of a run holds, read and never written: settings, metrics, checkpoint, and how it ended."""

from __future__ import annotations

import base64
import json
import math
from typing import TYPE_CHECKING, Any

import attrs

import glulam
from glulam import GlulamError
from glulam_train.folder import RunFolder
from glulam_train.settings import read_settings

if TYPE_CHECKING:
    from pathlib import Path

    from glulam_train.settings import TrainSettings

__all__ = ["Film", "RunData", "read_run"]

NEEDED = ("agent_steps", "seconds", "steps_per_second", "return_mean")
FILMS = {".mp4": "video/mp4", ".webm": "video/webm", ".gif": "image/gif"}


@attrs.frozen
class Film:
    """An episode as a data URI; `kind` is its media type.

    Attributes:
        name: the file's.
        uri: the whole of it, in base64.
    """

    name: str
    kind: str
    uri: str

    @property
    def is_video(self) -> bool:
        """Whether a player shows it; an animated picture otherwise."""
        return self.kind.startswith("video/")


@attrs.frozen(kw_only=True)
class RunData:
    """A run as its folder tells it.

    Args:
        path: the folder.
        settings: of the run.
        rows: of `metrics.jsonl`, those that are whole.
        header: of the checkpoint, None where there is none that can be read.
        sizes: numbers of weights by the name of their tensor.
        end: what `end.json` says: `end`, `why` and `notes`; empty where there is none.
        is_held: whether a process trains in the folder now.
        evaluations: what `glulam eval --format json` printed, by the name of the file that keeps it.
        films: of episodes.
        problems: what could not be read.
    """

    path: Path
    settings: TrainSettings
    rows: list[dict[str, Any]]
    header: dict[str, Any] | None
    sizes: dict[str, int]
    end: dict[str, Any]
    is_held: bool
    evaluations: dict[str, dict[str, Any]]
    films: list[Film]
    problems: list[str]


def read_run(path: Path) -> RunData:
    """Read a run's folder.

    Raises:
        GlulamError: if it is no run's, its settings cannot be read, or nothing of it has been trained.
    """
    folder = RunFolder(path)
    if not path.is_dir():
        msg = f"there is no folder {path}: name one that `glulam train --out` or `glulam sweep --out` has written"
        raise GlulamError(msg)
    if not folder.settings.is_file():
        msg = f"{path} is no run's: it holds neither settings.yaml, which `glulam train` writes, nor results.json, "
        raise GlulamError(msg + "which `glulam sweep` writes")
    settings = read_settings(folder.settings)
    try:
        return _read(folder, settings)
    except OSError as error:
        msg = f"cannot read {error.filename}: {error.strerror}"
        raise GlulamError(msg) from error


def _read(folder: RunFolder, settings: TrainSettings) -> RunData:
    path, problems = folder.path, list[str]()
    rows = _rows(folder, problems)
    end = _mapping(folder.end, problems)
    if not rows and not end:
        msg = f"nothing has been trained in {path} yet: a report needs one update at least"
        raise GlulamError(msg)
    header, sizes = _checkpoint(folder, problems)
    return RunData(
        path=path,
        settings=settings,
        rows=rows,
        header=header,
        sizes=sizes,
        end=end,
        is_held=folder.is_held,
        evaluations=_evaluations(path, problems),
        films=films_in(path / "episodes"),
        problems=problems,
    )


def films_in(folder: Path) -> list[Film]:
    """Return the films of episodes that a folder holds, by name."""
    paths = sorted(path for path in folder.glob("*") if path.suffix in FILMS) if folder.is_dir() else []
    return [_film(path) for path in paths]


def _film(path: Path) -> Film:
    kind = FILMS[path.suffix]
    return Film(path.stem, kind, f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}")


def _rows(folder: RunFolder, problems: list[str]) -> list[dict[str, Any]]:
    """Return the rows up to the first line that is none."""
    rows: list[dict[str, Any]] = []
    text = folder.metrics.read_text(encoding="utf-8", errors="replace") if folder.metrics.is_file() else ""
    for line in text.splitlines():
        row = _row(line)
        if row is None:
            left = len(text.splitlines()) - len(rows)
            problems.append(f"line {len(rows) + 1} of metrics.jsonl is cut short or no row: {left} left out from there")
            break
        rows.append(row)
    return rows


def _row(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    if not isinstance(row, dict) or any(name not in row for name in NEEDED):
        return None
    numbers = {name: value for name, value in row.items() if _is_number(value) or value is None}
    known = [name for name in NEEDED if name != "return_mean"]  # which there is none of before the first episode's end
    return numbers if all(numbers.get(name) is not None for name in known) else None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _mapping(path: Path, problems: list[str]) -> dict[str, Any]:
    """Return the mapping that a JSON file holds; an empty one where there is no file."""
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        data = None
    if not isinstance(data, dict):
        problems.append(f"{path.name} cannot be read")
        return {}
    return data


def _checkpoint(folder: RunFolder, problems: list[str]) -> tuple[dict[str, Any] | None, dict[str, int]]:
    try:
        header, tensors = glulam.read_tensors(folder.checkpoint)
    except GlulamError as error:
        problems.append(str(error))
        return None, {}
    return header, {name: tensor.numel() for name, tensor in tensors.items()}


def _evaluations(path: Path, problems: list[str]) -> dict[str, dict[str, Any]]:
    found = {file.stem: _mapping(file, problems) for file in sorted(path.glob("eval*.json"))}
    for name, report in list(found.items()):
        spread = report.get("return_ci95", 0.0)
        if not (_is_number(report.get("return_mean")) and (spread is None or _is_number(spread))):
            problems.append(f"{name}.json holds no `return_mean`: it is not what `glulam eval --format json` prints")
            del found[name]
    return found
