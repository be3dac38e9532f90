"""The catalogue is what is registered and installed, and its examples are layers."""

import json
import re

import pytest
import yaml

import glulam
from glulam.describe import describe_entry
from tests.docs.catalogue import FOLDER, example, pages
from tests.evidence.record import ROOT

LAYERS = dict(glulam.registry().layers)


@pytest.fixture(scope="module")
def made():
    return pages()


def test_the_pages_are_not_stale(made):
    written = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
    stale = sorted(name for name in {*made, *written} if made.get(name) != written.get(name))
    assert not stale, f"{', '.join(stale)}: run `python -m tests.docs.catalogue`"


def test_every_layer_that_is_listed_has_an_entry_once(made):
    """Oracle: the headings, and registry.toml as text."""
    headings = [name for text in made.values() for name in re.findall(r"^## `(\w+)`$", text, re.MULTILINE)]
    rows = re.findall(
        r"^layers = \[(.*?)\]", (ROOT / "registry.toml").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    assert sorted(headings) == sorted(name for row in rows for name in re.findall(r'"(\w+)"', row))


@pytest.mark.parametrize("name", LAYERS)
def test_each_example_is_a_layer(name):
    (line,) = yaml.safe_load(f"[{example(describe_entry(LAYERS[name])).split(' ', 1)[1]}]")
    config = glulam.layer_config(line.pop("layer"), **line)
    assert config == LAYERS[name].load()(**line)


def section(made, page, layer):
    return made[page].partition(f"## `{layer}`\n")[2].partition("\n## ")[0]


def test_the_bytes_that_an_lstm_remembers(made):
    """Oracle: two states of 128 numbers of 4 bytes."""
    assert ": `h` float32[1, 128], `c` float32[1, 128]: 1,024 bytes a row." in section(made, "glulam-memory.md", "lstm")
    assert ": nothing." in section(made, "glulam-basics.md", "mlp")


def test_the_contract_is_that_of_the_evidence(made):
    runs = json.loads((ROOT / "docs" / "results" / "contract_full.json").read_text(encoding="utf-8"))["runs"]
    kept = [run["law"] for run in runs if run["layer"] == "glulam-vision:cnn" and run["outcome"] == "kept"]
    assert kept
    assert f": in depth, {len(kept)} laws kept, 0 broken; " in section(made, "glulam-vision.md", "cnn")


def test_fields_are_there_with_type_default_and_description(made):
    lines = section(made, "glulam-memory.md", "lstm").splitlines()
    assert "| `hidden_size` | `int` | `128` | Width of the state and of the output. |" in lines
    assert "| `in_key` | `encoded` | reads | `float` | `[in_dim]` | Key of the input, one vector a step. |" in lines


def test_a_field_that_changes_makes_a_page_stale(monkeypatch):
    from tests.docs import catalogue

    before = pages()["glulam-memory.md"]
    monkeypatch.setattr(catalogue, "describe_entry", lambda entry: describe_entry(entry) | {"doc": "Something else."})
    assert pages()["glulam-memory.md"] != before
