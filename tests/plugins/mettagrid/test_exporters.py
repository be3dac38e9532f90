"""What `glulam export` finds, and what it costs to look at it."""

import subprocess
import sys

import pytest

import glulam
from glulam import GlulamError
from glulam_mettagrid import _simulator
from glulam_mettagrid.exporters import to_mettagrid


def test_it_is_found_by_name():
    assert glulam.registry().exporters.find("mettagrid").load() is to_mettagrid


def test_to_look_at_it_imports_neither_torch_nor_mettagrid():
    code = "import sys, glulam_mettagrid.exporters; print({'torch', 'mettagrid'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_without_mettagrid_it_says_how_to_get_it(tmp_path, monkeypatch):
    def missing(name):
        raise _simulator.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(_simulator.metadata, "version", missing)
    with pytest.raises(GlulamError, match='mettagrid is not installed: pip install "mettagrid==0.26.22"'):
        to_mettagrid(None, tmp_path / "agent")
