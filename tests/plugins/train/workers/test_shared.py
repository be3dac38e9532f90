"""Shared memory: two maps of one file see each other's numbers, and the file has no name."""

import os
from itertools import pairwise

import pytest
import torch

from glulam_train.workers.shared import Field, as_plain, map_tensors, nameless_file

FIELDS = [Field("flags", "bool", (3,)), Field("obs", "uint8", (3, 2, 5)), Field("values", "float64", (2,))]


@pytest.fixture(params=["in memory", "in a folder"])
def file(request, monkeypatch):
    if request.param == "in a folder":
        monkeypatch.delattr(os, "memfd_create", raising=False)
    made = nameless_file()
    yield made
    os.close(made)


def test_what_one_writes_the_other_reads(file):
    ours, theirs = map_tensors(file, FIELDS), map_tensors(file, [Field(*entry) for entry in as_plain(FIELDS)])
    written = {"flags": [True, False, True], "obs": torch.arange(30).view(3, 2, 5).tolist(), "values": [0.5, -2.0]}
    for name, numbers in written.items():
        assert not ours[name].any()
        ours[name].copy_(torch.tensor(numbers))
    assert {name: tensor.tolist() for name, tensor in theirs.items()} == written
    assert {name: tensor.dtype for name, tensor in theirs.items()} == {
        "flags": torch.bool,
        "obs": torch.uint8,
        "values": torch.float64,
    }


def test_it_has_no_name_that_could_be_left_behind(file):
    assert os.fstat(file).st_nlink == 0


def test_no_two_fields_share_a_line_of_cache(file):
    tensors = map_tensors(file, FIELDS)
    starts = [tensor.data_ptr() for tensor in tensors.values()]
    assert all(after - before >= 64 for before, after in pairwise(starts))
    assert not any(start % 64 for start in starts)


def test_tensors_outlive_the_descriptor():
    file = nameless_file()
    values = map_tensors(file, FIELDS)["values"]
    os.close(file)
    values.fill_(3)
    assert values.tolist() == [3, 3]
