"""The blocks of README and site do what the pages say, page by page, typed in order into an empty folder."""

import json

import pytest

from tests.docs.blocks import blocks_of, run_page
from tests.docs.pages import PAGES, digest
from tests.evidence.outside import build_all, make_environment
from tests.evidence.outside import run_page as run_outside
from tests.evidence.record import RESULTS, ROOT


def name_of(page):
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_blocks_of_a_page(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if any("mettagrid" in block.text for block in blocks_of(page) if block.mark != "evidence"):
        pytest.importorskip("mettagrid", reason="has wheels for some machines only")
    assert len(run_page(page, ROOT, evidence=False)) == len(blocks_of(page))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stranger")
    return make_environment(folder, [wheel for _, wheel in build_all(folder).values()])


@pytest.mark.evidence
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_all_blocks_of_a_page_outside_the_checkout(page, stranger, tmp_path):
    assert len(run_outside(stranger, page, tmp_path / "page")) == len(blocks_of(page))


def test_every_block_that_is_left_to_the_evidence_was_run_as_it_stands():
    known = {row["sha256"] for row in json.loads((RESULTS / "docs_blocks.json").read_text(encoding="utf-8"))["runs"]}
    marked = [block for page in PAGES for block in blocks_of(page) if block.mark == "evidence"]
    assert [block.place for block in marked if digest(block) not in known] == [], (
        "run `python -m tests.evidence docs_blocks`"
    )


BROKEN = {
    "```python\n1 / 0\n```": "page.md:1: division by zero",
    "```python\nprint(1)\n```\n\n```text\n2\n```": "page.md:5: the page shows\n2\n\nand this came:\n1\n",
    "```sh\necho before\nfalse\n```": "page.md:1: exit code 1:\nbefore\n",
    "```console\n$ echo one\ntwo\n```": "page.md:1: the page shows\ntwo\n\nand this came:\none\n",
    "```console\necho one\n```": "page.md:1: no line to type",
    "```toml\na = \n```": "page.md:1: Invalid value",
    "```json\n{\n```": "page.md:1: Expecting property name",
    "```yaml\na: [\n```": "page.md:1: while parsing a flow node",
    "```yaml\nglulam: 1\n```": "GL103",
    "```rust\nfn main() {}\n```": "page.md:1: a block of 'rust'; there are: console, json, python, sh, ",
    "```\nplain\n```": "page.md:1: a block of ''",
    "<!-- read: a part -->\n```python\ndef\n```": "page.md:2: invalid syntax",
    "<!-- checkout: as planned -->\n```sh\nmake nothing-of-that-name\n```": "No rule to make target",
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_block_that_does_something_else_fails(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "page.md").write_text(text + "\n", encoding="utf-8")
    with pytest.raises(AssertionError) as told:
        run_page(tmp_path / "page.md", ROOT, evidence=False)
    assert BROKEN[text] in str(told.value)


def test_blocks_go_on_from_what_earlier_ones_left(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "Save this as `a/b.txt`:\n\n```text\nhello\n```\n\n```sh\ncat a/b.txt\n```\n\n```text\nhel...\n```\n\n"
    text += "<!-- evidence: long -->\n```python\nraise ValueError\n```\n\n```text\n3\n```\n\n"
    text += "```python\nx = 1\n```\n\n```python\nassert x == 1\n```\n"
    (tmp_path / "page.md").write_text(text, encoding="utf-8")
    done = [row["done"] for row in run_page(tmp_path / "page.md", ROOT, evidence=False)]
    assert done == ["saved", "run", "run", *["left to the evidence"] * 2, "run", "run"]
    with pytest.raises(AssertionError, match="page.md:16: "):
        run_page(tmp_path / "page.md", ROOT, evidence=True)


def test_a_mark_has_a_reason():
    for page in PAGES:
        for line in page.read_text(encoding="utf-8").splitlines():
            assert not line.startswith(("<!-- evidence -->", "<!-- read -->", "<!-- checkout -->")), page
