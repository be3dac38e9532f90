"""Errors come whole through a pickle, as those of worker processes do: a pool hangs or breaks otherwise."""

import ast
import importlib
import pickle
from pathlib import Path

import pytest

from glulam import PolicyError
from glulam.catalog import PluginError
from glulam.faults import Fault, Place
from glulam.keys import IndivisibleError

ROOT = Path(__file__).parents[2]
FAULT = Fault(code="GL304", message="found", remedy="write", place=Place(file="p.yaml", line=3, column=2), layer="a")
ARGUMENTS = {
    PolicyError: ([FAULT, Fault(code="GL101", message="not YAML", remedy="mend")],),
    PluginError: ("GL201", "unknown layer 'x'", "write 'y'"),
    IndivisibleError: ("hidden_size 10 is not divisible by num_heads 3", "hidden_size"),
}


def error_classes():
    """Yield module and name of each exception class in core and our plug-ins; private ones reach no caller."""
    for package in sorted([*ROOT.glob("core/glulam"), *ROOT.glob("plugins/*/glulam_*")]):
        for file in sorted(package.rglob("*.py")):
            parts = file.relative_to(package.parent).with_suffix("").parts
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
                    continue
                if any(ast.unparse(base).endswith(("Error", "Exception")) for base in node.bases):
                    yield ".".join(parts).removesuffix(".__init__"), node.name


@pytest.mark.parametrize(("module", "name"), [*error_classes()])
def test_an_error_comes_whole_through_a_pickle(module, name):
    cls = getattr(importlib.import_module(module), name)
    error = cls(*ARGUMENTS.get(cls, ("what was found",)))
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - made here
    assert type(again) is cls
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_all_of_them_are_found():
    assert {"GlulamError", "PolicyError", "PluginError", "IndivisibleError"} < {name for _, name in error_classes()}
