"""What other distributions' commands add, played by fakes."""

import subprocess
from pathlib import Path

import pytest

from glulam import GlulamError
from glulam_train.report import outside


@pytest.fixture
def command(monkeypatch):
    """Have `glulam` write a file where `-o` says, or fail; return how it was called."""
    calls = []

    def install(text=b"", code=0, stderr=""):
        def run(*arguments):
            calls.append(arguments)
            if not code:
                Path(arguments[arguments.index("-o") + 1]).write_bytes(text)
            return subprocess.CompletedProcess([], code, "", stderr)

        monkeypatch.setattr(outside, "_glulam", run)
        return calls

    return install


HEADER = {"policy": {"name": "toy"}, "environment": {"name": "cues"}}


def test_a_picture_becomes_data(command):
    calls = command(b"<svg/>")
    assert outside.picture_of(HEADER) == ("data:image/svg+xml;base64,PHN2Zy8+", "")
    assert (calls[0][0], calls[0][2], calls[0][4]) == ("show", "--env", "-o")


def test_why_there_is_no_picture(command):
    command(code=1, stderr="error: it wants pip install glulam[show]\n")
    assert outside.picture_of(HEADER) == (None, "error: it wants pip install glulam[show]")


def test_a_film_is_recorded(command, tmp_path):
    calls = command(b"film")
    (film,) = outside.record(tmp_path / "c.safetensors", "toy:cues", 2)
    assert film.uri == "data:video/mp4;base64,ZmlsbQ=="
    assert calls[0][:6] == ("play", str(tmp_path / "c.safetensors"), "--env", "toy:cues", "--episodes", "2")


def test_no_film_is_an_error(command, tmp_path):
    command(code=2, stderr="Usage: glulam\nError: unknown command 'play'\n")
    told = "no episodes could be recorded: `glulam play` says: Error: unknown command 'play'; leave --episodes out"
    with pytest.raises(GlulamError, match=told):
        outside.record(tmp_path / "c.safetensors", "toy:cues", 2)
