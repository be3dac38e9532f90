"""The page is one file that asks for nothing else, holds every layer and key, and escapes what a policy says."""

import re
from html.parser import HTMLParser

import pytest

import glulam
from glulam.picture import blueprint, draw_html
from tests.core.picture.drawings import BROKEN, HOSTILE, POLICIES

VOID = {"meta", "link", "input", "br", "img", "hr"}


class Page(HTMLParser):
    """A page's elements: tag, attributes, and the text inside, with a check that they nest."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements = [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        element = {"tag": tag, "text": "", **dict(attributes)}
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attributes):
        self.elements.append({"tag": tag, "text": "", **dict(attributes)})

    def handle_endtag(self, tag):
        assert self.open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def all(self, tag=None, **attributes):
        return [
            element
            for element in self.elements
            if tag in (None, element["tag"]) and all(element.get(k) == v for k, v in attributes.items())
        ]

    def rows(self, heading):
        (section,) = [e for e in self.all("section") if e.get("aria-labelledby") == heading]
        return section["text"]


@pytest.mark.parametrize("name", POLICIES)
def test_every_layer_and_key_has_its_place(name):
    drawn, resolved = blueprint(name), glulam.resolve(name)
    page = Page(draw_html(drawn))
    titles = [e["text"] for e in page.all("h2")]
    assert {layer.name for layer in resolved.all_layers} <= set(titles)
    assert {key for key in resolved.keys if key in {line.key for line in drawn.lines}} <= set(titles)
    for number, line in enumerate(drawn.lines):
        (article,) = page.all("article", id=f"line-{number}")
        assert line.form in article["text"]
    for number, board in enumerate(drawn.boards):
        (article,) = page.all("article", id=f"board-{number}")
        assert all(f"{field.name} = {field.value}" in article["text"] for field in board.fields)
        assert len([e for e in page.all("g", role="button") if e["data-board"] == str(number)]) == 1


def test_what_is_linked_is_there():
    page = Page(draw_html(blueprint("latent_attn_small")))
    ids = [e["id"] for e in page.elements if "id" in e]
    assert len(ids) == len(set(ids))
    assert {e["data-show"] for e in page.elements if "data-show" in e} <= set(ids)
    assert {e["aria-labelledby"] for e in page.elements if "aria-labelledby" in e} <= set(ids)
    lines = {e["data-line"] for e in page.all() if "data-line" in e}
    assert all(f"line-{number}" in ids for number in lines)


def test_the_page_asks_for_nothing():
    text = draw_html(blueprint("fast"))
    page = Page(text)
    assert not [e for e in page.elements if "src" in e]
    assert {e["href"] for e in page.elements if "href" in e} == {"data:,", "#tables"}
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|@import|url\((?!#)", text)
    assert len(page.all("script")) == 1


def test_it_says_its_language_and_has_landmarks():
    page = Page(draw_html(blueprint("fast")))
    assert page.all("html")[0]["lang"] == "en"
    assert [len(page.all(tag)) for tag in ("main", "header", "footer", "h1")] == [1, 1, 1, 1]
    assert page.all("meta", name="viewport")
    assert all(e.get("type") == "button" for e in page.all("button"))


def test_faults_stand_first_with_place_line_rule_and_remedy(tmp_path):
    (tmp_path / "broken.yaml").write_text(BROKEN, encoding="utf-8")
    drawn = blueprint(tmp_path / "broken.yaml")
    page = Page(draw_html(drawn))
    told = page.rows("faults-heading")
    assert told.strip().startswith("4 faults")
    for fault in drawn.faults:
        assert fault.code in told
        assert fault.message in told
        assert f"Try: {fault.remedy}" in told
        assert fault.place.source_line in told
        assert f"Rule: {fault.rule}." in told
    column = BROKEN.splitlines()[5].index("token_featurs") + 1
    assert f"broken.yaml:6:{column}, at $.layers[1].in_key" in told
    (article,) = [e for e in page.all("article") if "lstmm" in e["text"] and e["id"].startswith("board")]
    assert "unknown layer 'lstmm'" in article["text"]
    assert "not known" in page.rows("layers-heading")


def test_carets_stand_below_what_is_wrong(tmp_path):
    (tmp_path / "broken.yaml").write_text(BROKEN, encoding="utf-8")
    page = Page(draw_html(blueprint(tmp_path / "broken.yaml")))
    lines = page.all("pre")[0]["text"].splitlines()
    assert lines[0][lines[1].index("^") :].startswith("token_featurs")


def test_nothing_that_a_policy_says_is_markup():
    policy = {
        "glulam": 1, "name": HOSTILE, "obs_shaper": {"layer": "token_shaper", "out_key": HOSTILE},
        "layers": [{"layer": HOSTILE, "name": HOSTILE, "in_key": HOSTILE, "out_key": "logits", HOSTILE: HOSTILE}],
        "action_head": {"layer": "action_distribution", "in_key": "logits"},
    }  # fmt: skip
    page = Page(draw_html(blueprint(policy)))
    assert len(page.all("script")) == 1
    assert not page.all("img")
    assert not [name for e in page.elements for name in e if name.startswith("on")]
    assert page.all("h1")[0]["text"] == HOSTILE


def test_backticks_of_docstrings_are_code():
    page = Page(draw_html(blueprint("latent_attn_small")))
    assert "num_queries" in {e["text"] for e in page.all("code")}


def test_without_a_world_it_says_what_is_not_known():
    page = Page(draw_html(blueprint("fast")))
    assert "--env names the world that they depend on" in page.rows("layers-heading")
    assert "FLOPs" not in [e["text"] for e in page.all("th")]


def test_the_same_policy_is_the_same_page():
    assert draw_html(blueprint("fast")) == draw_html(blueprint("fast"))
