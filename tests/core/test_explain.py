"""Every code has a page; a page's example has the fault that the page is about, and no other."""

import re
from pathlib import Path

import pytest

import glulam
from glulam.explain import RULES, page

SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in Path(glulam.__file__).parent.rglob("*.py"))
# Faults that come of what is installed, of losses or of an environment; a file alone cannot show them.
WITHOUT_EXAMPLE = {"GL202", "GL203", "GL204", "GL205", "GL501", "GL502", "GL503"}


def test_every_code_that_the_source_gives_has_a_page_and_every_page_is_of_a_code():
    given = set(re.findall(r'"(GL[1-5]\d\d)"', SOURCE))
    pages = {path.stem for path in (Path(glulam.__file__).parent / "explain").glob("*.md")}
    assert given == set(RULES) == pages


@pytest.mark.parametrize("code", RULES)
def test_a_page_starts_with_title_and_rule(code):
    lines = page(code).splitlines()
    assert re.fullmatch(rf"# {code}: \S.*", lines[0])
    assert lines[2] == f"Rule: {RULES[code]}."


@pytest.mark.parametrize("code", RULES)
def test_the_example_has_that_fault_alone(code, tmp_path):
    examples = re.findall(r"```yaml\n(.*?)```", page(code), re.DOTALL)
    assert len(examples) == (code not in WITHOUT_EXAMPLE)
    for example in examples:
        file = tmp_path / "example.yaml"
        file.write_text(example, encoding="utf-8")
        with pytest.raises(glulam.PolicyError) as caught:
            glulam.resolve(file)
        assert [fault.code for fault in caught.value.faults] == [code], str(caught.value)


def test_no_page_of_an_unknown_code():
    assert page("GL999") is None
    assert page("../faults") is None
