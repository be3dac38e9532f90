"""The public surface: one sorted list, every name documented, nothing heavy imported for it."""

import inspect
import subprocess
import sys

import pytest

import glulam


def test_the_list_is_sorted_and_complete():
    assert list(glulam.__all__) == sorted(glulam.__all__)
    assert set(glulam.__all__) == set(glulam._HOMES)
    assert dir(glulam) == glulam.__all__


@pytest.mark.parametrize("name", glulam.__all__)
def test_every_public_name_is_there_and_documented(name):
    value = getattr(glulam, name)
    if not inspect.isclass(value) and not callable(value):
        return  # a type alias has no docstring of its own
    assert inspect.getdoc(value), name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'glulam' has no attribute 'bild'"):
        _ = glulam.bild


def test_importing_configs_imports_no_torch():
    names = ["layer", "LayerConfig", "reads", "writes", "PolicyConfig", "EnvSpec", "resolve", "registry"]
    code = f"import sys, glulam\nfor n in {names}: getattr(glulam, n)\nprint('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
