"""The page on the registry is what the code of the index does."""

import re

import pytest

from glulam import Registry
from glulam._discovery import Distribution, EntryPoint
from glulam.index import FIELDS, check_index, read_index
from tests.evidence.record import ROOT

PAGE = (ROOT / "docs" / "registry.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
NEAR = EXAMPLE.replace("far-away", "near-by").replace('"wormhole"', '"jump"').replace("far_away", "near_by")


def told(text):
    """Return the messages that a table of the page shows."""
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


@pytest.fixture
def index(tmp_path):
    def read(text):
        (tmp_path / "plugins").mkdir(exist_ok=True)
        (tmp_path / "registry.toml").write_text(text, encoding="utf-8")
        return read_index(tmp_path / "registry.toml")

    return read


def installed(version, layers):
    registry = Registry([])
    points = [EntryPoint("layers", name, f"far:{name}", "far-away", version) for name in layers]
    points.append(EntryPoint("hooks", "far_away", "far.hooks", "far-away", version))
    registry.distributions = [Distribution("far-away", version, "/somewhere", tuple(points))]
    return registry


def test_the_fields_are_those_that_are_read():
    assert re.findall(r"^\| `(\w+)` \| (?:required)? ?\|", PAGE, re.MULTILINE) == list(FIELDS)


def test_the_example_has_no_fault_and_gives_the_remedy_that_is_shown(index):
    found = index(EXAMPLE)
    assert check_index(found, Registry([])) == []
    assert f"try: {found.remedy('layers', 'teleport', {})}\n" in PAGE


def test_what_the_page_says_of_an_index_that_contradicts_itself_is_what_is_said(index):
    texts = [
        EXAMPLE + NEAR,
        EXAMPLE.replace("distributions.far-away", "distributions.Far_Away"),
        EXAMPLE.replace('["1.2.0", "1.3.0"]', "[]"),
        EXAMPLE.replace('source = "far-away"', 'source = "far"'),
        EXAMPLE.replace('source = "far-away"', 'source = "./plugins/far"'),
    ]
    said = [check_index(index(text), Registry([]))[0] for text in texts]
    assert said == told(PAGE.partition("against itself")[2].partition("against what")[0])


def test_what_the_page_says_of_what_is_installed_is_what_is_said(index):
    said = check_index(index(EXAMPLE), installed("1.4.0", ["teleport", "portal"]))
    assert said == told(PAGE.partition("against what")[2].partition("\n## ")[0])
    assert check_index(index(EXAMPLE), installed("1.3.0", ["teleport", "wormhole"])) == []
