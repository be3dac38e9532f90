"""Files of tensors: what is written comes back, and what was altered does not."""

import pytest
import torch

from glulam import GlulamError, read_tensors, write_tensors
from glulam.checkpoint import read_checkpoint

TENSORS = {
    "a": torch.arange(6.0).view(2, 3).t(),  # not contiguous
    "b/c": torch.tensor(7),
    "flags": torch.tensor([True, False]),
    "half": torch.ones(2, dtype=torch.bfloat16),
}
HEADER = {"count": 3, "nested": [1, {"x": None}], "real": 0.1}


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "state.safetensors"
    write_tensors(made, HEADER, TENSORS)
    return made


def test_what_is_written_comes_back(path):
    header, tensors = read_tensors(path)
    assert {name: header[name] for name in HEADER} == HEADER
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert torch.equal(tensors[name], tensor)


def test_a_flipped_bit_is_refused_wherever_it_is(path):
    whole = path.read_bytes()
    start = whole.index(b"}}") + 2  # behind the header of safetensors
    for place in (start + 1, len(whole) - 1):
        blob = bytearray(whole)
        blob[place] ^= 1
        path.write_bytes(bytes(blob))
        with pytest.raises(GlulamError, match=r"was altered since it was saved|is cut off or no checkpoint"):
            read_tensors(path)


def test_a_file_cut_off_is_refused(path):
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(GlulamError, match="is cut off or no checkpoint"):
        read_tensors(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(GlulamError, match="there is no checkpoint"):
        read_tensors(tmp_path / "none")


def test_it_is_written_whole_or_not_at_all(path, monkeypatch):
    before = path.read_bytes()

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(GlulamError, match=r"cannot write .*state\.safetensors: No space left on device"):
        write_tensors(path, {}, {})
    assert path.read_bytes() == before
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_it_holds_no_policy(path):
    with pytest.raises(GlulamError, match="holds no policy: name a checkpoint"):
        read_checkpoint(path)
