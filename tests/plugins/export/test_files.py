"""Files are written whole or not at all."""

from pathlib import Path

import pytest

from glulam import GlulamError
from glulam_export.files import named, write


@pytest.mark.parametrize(("given", "path"), [("agent", "agent.pt2"), ("agent.pt2", "agent.pt2"), ("v1.5", "v1.5.pt2")])
def test_a_suffix_is_added_where_it_is_missing(tmp_path, given, path):
    assert named(tmp_path / given, ".pt2") == tmp_path / path


def test_a_folder_has_no_suffix():
    with pytest.raises(GlulamError, match=r"^\. is a folder: name a file$"):
        named(Path(), ".pt2")


def test_older_files_are_replaced(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    assert write({tmp_path / "a": b"new", tmp_path / "b": b"beside"}) == [tmp_path / "a", tmp_path / "b"]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"new", "b": b"beside"}


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(GlulamError, match="cannot write .*none/a: No such file or directory"):
        write({tmp_path / "none" / "a": b""})


def test_nothing_is_left_where_the_second_cannot_be_written(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(GlulamError, match="cannot write .*a: No such file or directory"):
        write({tmp_path / "a": b"new", tmp_path / "none" / "b": b""})
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"
