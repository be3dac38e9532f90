"""No page shows a figure that its result file does not hold."""

import json
import re

import pytest

from tests.evidence.pages import PAGES, place_of
from tests.evidence.record import RESULTS, ROOT

# A figure in prose names its source: `16.2 <!-- results/forage_fast.json: runs.0.evaluation.return_mean -->`.
QUOTE = re.compile(r"([\d,.]+) <!-- results/([\w.]+): ([\w.]+) -->")
DOCS = ROOT / "docs"


def look_up(data, path):
    for part in path.split("."):
        data = data[int(part)] if part.isdigit() else data[part]
    return data


def is_rounded(text, value):
    """Whether a number as written is the value, rounded to the digits written."""
    digits = len(text.partition(".")[2])
    return text in {f"{value:,.{digits}f}", f"{value:.{digits}f}"}


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_what_their_result_files_say(name):
    page = place_of(name).read_text(encoding="utf-8")
    assert page == PAGES[name](), "stale: run `python -m tests.evidence` or write_pages()"


def test_figures_in_prose_equal_their_source():
    wrong = []
    for page in sorted(DOCS.rglob("*.md")):
        for text, file, path in QUOTE.findall(page.read_text(encoding="utf-8")):
            value = look_up(json.loads((RESULTS / file).read_text(encoding="utf-8")), path)
            if not is_rounded(text, value):
                wrong.append(f"{page.name}: {text} is {value} in {file}")
    assert wrong == []


def test_the_comparison_can_fail():
    assert is_rounded("1,234.5", 1234.51)
    assert not is_rounded("16.3", 16.24)
    assert QUOTE.findall("a 1.5 <!-- results/x.json: runs.0.y --> b") == [("1.5", "x.json", "runs.0.y")]


@pytest.mark.parametrize("file", sorted(RESULTS.rglob("*.json")), ids=lambda path: path.stem)
def test_result_files_say_what_they_were_made_with(file):
    result = json.loads(file.read_text(encoding="utf-8"))
    assert {"name", "command", "commit", "versions", "machine", "runs"} <= set(result)
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", result["commit"])
    assert result["runs"]
