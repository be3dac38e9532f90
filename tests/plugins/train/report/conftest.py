"""Folders of runs as a training leaves them, written by hand; nothing draws a picture unless a test says so."""

import json

import pytest

from glulam_train.report import outside


@pytest.fixture(autouse=True)
def no_picture(monkeypatch):
    """Have no process started that draws the policy."""
    monkeypatch.setattr(
        outside, "_glulam", lambda *_: outside.subprocess.CompletedProcess([], 2, "", "no such command")
    )


def row(place, **changes):
    """Return the row of an update, 100 agent-steps each."""
    made = {
        "agent_steps": 100 * (place + 1),
        "seconds": 0.5 * (place + 1),
        "steps_per_second": 200.0,
        "episodes": 10 * place,
        "return_mean": 1.0 * place,
        "return_ci95": 0.25,
        "length_mean": 5.0,
        "ppo/entropy": 1.5,
        "grad_norm": 0.75,
        "ratio_error": 1e-7,
        "learning_rate": 1e-3,
    }
    return made | changes


@pytest.fixture
def folder(tmp_path, settings):
    """Write a run's folder: settings, rows of metrics, and how it ended."""

    def write(rows=(), end=None, **changes):
        path = tmp_path / "run"
        path.mkdir(exist_ok=True)
        (path / "settings.yaml").write_text(settings(**changes).to_yaml(), encoding="utf-8")
        lines = [line if isinstance(line, str) else json.dumps(line) + "\n" for line in rows]
        (path / "metrics.jsonl").write_text("".join(lines), encoding="utf-8")
        if end is not None:
            (path / "end.json").write_text(json.dumps(end), encoding="utf-8")
        return path

    return write
