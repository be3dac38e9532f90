"""Files are written whole or not at all."""

import os

import pytest

import glulam


def test_an_older_file_is_there_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with glulam.replacing(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_of_a_file_that_fails(tmp_path, error):
    path = tmp_path / "a.txt"
    with pytest.raises(error), glulam.replacing(path) as part:  # noqa: PT012 - it fails while it is written
        part.write_text("half")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_older_file(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"), glulam.replacing(path) as part:
        part.write_text("new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
