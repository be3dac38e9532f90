"""What `glulam export` finds, and what it costs to look at it."""

import subprocess
import sys

import pytest

import glulam
from glulam import GlulamError
from glulam_export.exporters import to_onnx, to_torch_export


def test_they_are_found_by_name():
    exporters = glulam.registry().exporters
    assert exporters.find("torch-export").load() is to_torch_export
    assert exporters.find("onnx").load() is to_onnx


def test_to_look_at_them_imports_no_torch():
    """`glulam doctor` imports every entry, and gives each a second or ten."""
    code = "import sys, glulam_export.exporters; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("options", [{"greedy": False}, {"seed": 0}])
@pytest.mark.parametrize(("exporter", "form"), [(to_onnx, "onnx"), (to_torch_export, "torch-export")])
def test_drawing_is_refused(tiny, tmp_path, exporter, form, options):
    with pytest.raises(GlulamError, match=f"{form} draws no actions: leave out --sampled and --seed"):
        exporter(tiny, tmp_path / "agent", **options)
    assert list(tmp_path.iterdir()) == []
