"""Headers of checkpoints that nobody saved."""

import pytest

import glulam
from glulam import GlulamError, build, load
from glulam.checkpoint import read_checkpoint
from glulam.tensor_file import read_tensors, write_tensors

CRAFTED = {
    "the path of a file": ({"policy": "ok.yaml"}, "its policy is 'ok.yaml', no mapping"),
    "a policy that reads a file": (
        {"policy": {"glulam": 1, "name": "beam", "extends": "/home/ok.yaml"}},
        "its policy extends '/home/ok.yaml', and a checkpoint holds its policy whole",
    ),
    "a policy of no name": ({"policy": {"glulam": 1}}, "its policy's name is None, no text"),
    "no lock": ({"lock": ...}, "its lock is None, no mapping"),
    "a lock of nothing": ({"lock": {}}, "its lock names no distributions and their versions"),
    "a lock of numbers": ({"lock": {"distributions": {"boards": 1}}}, "its lock names no distributions and their"),
    "no such dtype": ({"dtype": "nope"}, "its dtype is 'nope'; there are: bfloat16, float16, float32, float64"),
    "something of torch": ({"dtype": "load"}, "its dtype is 'load'; there are: bfloat16, "),
    "a list as dtype": ({"dtype": ["float32"]}, "its dtype is ['float32']; there are: bfloat16, "),
    "names that are a list": ({"names": ["a"]}, "its names is ['a'], no mapping"),
    "aliases for no name": ({"aliases": {"a": 3}}, "its aliases are no names for names"),
    "a source that is a path": ({"source": "ok.yaml"}, "its source is 'ok.yaml', no mapping"),
}


@pytest.mark.parametrize(("fields", "found"), CRAFTED.values(), ids=CRAFTED)
def test_a_header_that_no_save_wrote_is_refused(saved, policy_file, registry, env, fields, found):
    """The checksum is no signature: anybody can make a valid one."""
    header, tensors = read_tensors(saved)
    crafted = {name: value for name, value in (header | fields | {"sha256": ...}).items() if value is not ...}
    write_tensors(saved, crafted, tensors)
    fresh = build(policy_file(), env, registry=registry)
    for read in (read_checkpoint, lambda path: load(path, registry=registry, allow_version_drift=True),
                 lambda path: glulam.warm_start(fresh, path, registry=registry)):  # fmt: skip
        with pytest.raises(GlulamError) as caught:
            read(saved)
        assert f"{saved} is no checkpoint that glulam saved: {found}" in str(caught.value)
