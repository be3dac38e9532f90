"""What other commands add to a report: a picture of the policy, films of episodes.

They are asked for as a user would, `glulam show` and `glulam play`: what either lacks, an extra say, it says itself.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glulam import GlulamError
from glulam_train.report.folder import films_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glulam_train.report.folder import Film

__all__ = ["picture_of", "record"]

SECONDS = 600


def picture_of(header: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return the picture of a policy as the data URI of an SVG file, or None and why there is none.

    Args:
        header: of a checkpoint.
    """
    with tempfile.TemporaryDirectory() as folder:
        policy, env, file = (Path(folder) / name for name in ("policy.yaml", "environment.yaml", "policy.svg"))
        policy.write_text(json.dumps(header["policy"]), encoding="utf-8")  # which is YAML too
        env.write_text(json.dumps(header["environment"]), encoding="utf-8")
        done = _glulam("show", str(policy), "--env", str(env), "-o", str(file))
        if not file.is_file():  # faults are drawn too
            return None, _last(done, "it drew none")
        return f"data:image/svg+xml;base64,{base64.b64encode(file.read_bytes()).decode('ascii')}", ""


def record(checkpoint: Path, env: str, episodes: int) -> list[Film]:
    """Play some episodes of a checkpoint's policy and return films of them.

    Raises:
        GlulamError: if nothing installed records any, or it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".mp4", ".gif"):  # the one is smaller, the other needs fewer libraries
            asked = ("--env", env, "--episodes", str(episodes), "-o", str(Path(folder) / f"played{suffix}"))
            done = _glulam("play", str(checkpoint), *asked)
            films = films_in(Path(folder))
            if films:
                return films
    told = _last(done, "it wrote no film")
    msg = f"no episodes could be recorded: `glulam play` says: {told}; leave --episodes out"
    raise GlulamError(msg)


def _last(done: subprocess.CompletedProcess[str], otherwise: str) -> str:
    lines = done.stderr.strip().splitlines()
    return lines[-1].strip() if done.returncode and lines else otherwise


def _glulam(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "glulam", *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)  # noqa: S603 - ours
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"it took more than {SECONDS} seconds")
