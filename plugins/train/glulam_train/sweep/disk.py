"""What of a sweep is on the disk: policies, settings, how runs ended and how far they are. Imports no torch."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from glulam import GlulamError
from glulam_train.files import replace_text
from glulam_train.settings import read_settings
from glulam_train.sweep.plan import POLICY
from glulam_train.yaml_file import read_yaml, write_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from glulam_train.sweep.plan import Cell, Plan

__all__ = [
    "check_unchanged",
    "exit_of",
    "held",
    "is_finished",
    "last_row",
    "note_exit",
    "rows_of",
    "stderr_tail",
    "write_inputs",
    "writing",
]

SETTINGS, METRICS, EXIT, STDERR = "settings.yaml", "metrics.jsonl", "exit.json", "stderr.txt"
SHOWN = 6  # differences that a message names
TAIL = 1 << 16  # bytes that hold the last row of metrics
LINES = 15  # of stderr that are shown of a run that failed
_NOTHING = object()


def check_unchanged(plan: Plan) -> None:
    """Refuse a sweep whose file, or a policy that it names, is not that of the runs that are there.

    Raises:
        GlulamError: naming every difference and what to do.
    """
    found: list[str] = []
    for variant in plan.sweep.variants:
        cells = [cell for cell in plan.of(variant.name) if (cell.folder / SETTINGS).is_file()]
        if not cells:
            continue
        old = read_yaml(plan.folder / variant.name / POLICY, "policy")
        changes = [f"policy{change}" for change in _differences(old, plan.policies[variant.name])]
        for cell in cells:
            before, now = read_settings(cell.folder / SETTINGS).plain(), cell.settings.plain()
            changes += [f"settings{change}" for change in _differences(before, now)]
        found += [f"variants.{variant.name}: {change}" for change in dict.fromkeys(changes)]
    if found:
        more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
        lines = "\n".join(f"  {line}" for line in [*found[:SHOWN], *more])
        msg = f"{plan.sweep.path} is no longer what the runs in {plan.folder} were made from:\n{lines}\n"
        msg += "change it back, give a variant that was changed another name, or name another folder with --out; "
        msg += "variants and seeds may be added at any time"
        raise GlulamError(msg)


def _differences(old: Any, new: Any, place: str = "") -> Iterator[str]:  # noqa: ANN401 - any plain values
    """Yield `PLACE was OLD, is NEW` for every value that differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            yield from _differences(old.get(key, _NOTHING), new.get(key, _NOTHING), f"{place}.{key}")
    elif isinstance(old, (list, tuple)) and isinstance(new, (list, tuple)) and len(old) == len(new):
        for index, pair in enumerate(zip(old, new, strict=True)):
            yield from _differences(*pair, f"{place}[{index}]")
    elif old != new:
        yield f"{place} was {_told(old)}, is {_told(new)}"


def _told(value: object) -> str:
    return "absent" if value is _NOTHING else repr(value)


def write_inputs(plan: Plan, cells: Iterable[Cell]) -> None:
    """Write the policy and the settings of runs that have none; `glulam train --resume` begins or goes on with them."""
    with writing(plan.folder):
        for cell in cells:
            if (cell.folder / SETTINGS).is_file():
                continue
            cell.folder.mkdir(parents=True, exist_ok=True)
            write_yaml(plan.folder / cell.variant / POLICY, plan.policies[cell.variant])
            replace_text(cell.folder / SETTINGS, cell.settings.to_yaml())


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep a second sweep out of a folder, which is made, and goes again if nothing came into it.

    Raises:
        GlulamError: if it cannot be made, or another sweep runs in it.
    """
    from glulam_train.folder import RunFolder

    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = RunFolder(folder)
    try:
        lock.hold()
    except GlulamError as error:
        if not isinstance(error.__cause__, BlockingIOError):
            raise
        msg = f"another sweep runs in {folder}: wait for it, or end it"
        raise GlulamError(msg) from error
    try:
        yield
    finally:
        lock.release()
        with suppress(OSError):  # it holds something
            folder.rmdir()


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Say what to do where a sweep's folder cannot be written.

    Raises:
        GlulamError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        msg = f"cannot write to the folder {folder}: {error.strerror}; name another with --out"
        raise GlulamError(msg) from error


def note_exit(cell: Cell, code: int | None) -> None:
    """Note how a run's process ended, or, by None, that it begins."""
    if code is None:
        (cell.folder / EXIT).unlink(missing_ok=True)
    else:
        replace_text(cell.folder / EXIT, json.dumps({"exit": code}) + "\n")


def exit_of(cell: Cell) -> int | None:
    """Return the exit code of a run's last process, None where it has none or was cut short."""
    try:
        code = json.loads((cell.folder / EXIT).read_text(encoding="utf-8"))["exit"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return code if isinstance(code, int) else None


def is_finished(cell: Cell) -> bool:
    """Whether a run has trained all its steps and ended well."""
    row = last_row(cell.folder)
    return exit_of(cell) == 0 and row is not None and row["agent_steps"] >= cell.settings.steps


def last_row(folder: Path) -> dict[str, Any] | None:
    """Return the last whole row of a run's metrics, if there is one."""
    try:
        with (folder / METRICS).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
            lines = file.read().splitlines(keepends=True)
    except OSError:
        return None
    rows = (_row(line) for line in reversed(lines) if line.endswith(b"\n"))
    return next((row for row in rows if row is not None), None)


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of a run's metrics up to the first that is not whole."""
    rows: list[dict[str, Any]] = []
    path = folder / METRICS
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        row = _row(line)
        if row is None:
            break
        rows.append(row)
    return rows


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and {"agent_steps", "seconds", "return_mean"} <= {*row} else None


def stderr_tail(folder: Path) -> str:
    """Return the last lines that a run's process wrote to stderr."""
    path = folder / STDERR
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return "\n".join(text.splitlines()[-LINES:])
