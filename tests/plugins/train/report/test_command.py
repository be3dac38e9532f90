"""`glulam report` of a run that was trained, read back from the HTML."""

import json
import re
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner
from rich.console import Console

from glulam import GlulamError
from glulam_train.report.command import report
from glulam_train.report.figures import number
from glulam_train.run import Run
from tests.plugins.train.report.conftest import row

ALONE = {"meta", "link", "img", "br", "input", "path", "source"}


class Page(HTMLParser):
    """Ids, references, cells of tables, and text of a page; fails where tags do not match."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.references, self.cells, self.attributes = [], [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.attributes.append((tag, attributes))
        self.ids += [attributes[name] for name in ("id",) if name in attributes]
        self.references += [attributes[name] for name in ("src", "href") if name in attributes]
        if tag not in ALONE:
            self.open.append(tag)
        if tag in {"td", "th"}:
            self.cells.append("")

    def handle_startendtag(self, tag, attrs):
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in {"td", "th"}:
            self.cells[-1] += data


def call(*arguments):
    return CliRunner().invoke(report, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def trained(toy_mill, tmp_path_factory):
    """The folder of a small run; not to be written into."""
    from glulam_train.settings import TrainSettings

    settings = TrainSettings(policy="toy", env="toy:cues", steps=512, num_envs=4, horizon=8, minibatches=2, threads=1)
    run = Run(settings, tmp_path_factory.mktemp("trained") / "run")
    run.train(console=Console(quiet=True))
    run.close()
    return run.folder.path


@pytest.fixture
def html(trained, tmp_path):
    result = call(trained, "-o", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"report  {tmp_path / 'page.html'}\n"
    return (tmp_path / "page.html").read_text(encoding="utf-8")


def test_nothing_in_the_folder_is_changed(trained, tmp_path):
    def seen():
        return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in trained.rglob("*") if path.is_file()}

    before = seen()
    call(trained, "-o", tmp_path / "page.html")
    assert seen() == before


def test_it_asks_for_no_other_file(html):
    page = Page(html)
    assert {reference for reference in page.references if not reference.startswith(("#", "data:"))} == set()
    assert not re.search(r"https?://|@import|url\(", html)
    assert "default-src &#39;none&#39;" in html or "default-src 'none'" in html


def test_ids_are_unique_and_every_link_has_its_place(html):
    page = Page(html)
    assert len(page.ids) == len(set(page.ids))
    assert {reference[1:] for reference in page.references if reference.startswith("#")} <= set(page.ids)
    labels = [attributes["aria-labelledby"] for _, attributes in page.attributes if "aria-labelledby" in attributes]
    assert set(labels) <= set(page.ids)


def test_each_drawing_and_each_control_has_a_name(html):
    drawings = [
        attributes for tag, attributes in Page(html).attributes if attributes.get("role") == "img" or tag == "input"
    ]
    assert len(drawings) > 20
    assert all(attributes.get("aria-label") for attributes in drawings)


def test_every_number_of_the_metrics_is_in_the_tables(html, trained):
    cells = set(Page(html).cells)
    rows = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    assert len(rows) == 8
    missing = [
        (name, value)
        for item in rows
        for name, value in item.items()
        if name not in {"seconds", "return_ci95"} and number(value) not in cells
    ]
    assert missing == []
    assert "9.87" not in cells  # the look can fail


def test_the_policy_its_keys_and_its_versions_are_there(html):
    cells = Page(html).cells
    assert "toy_memory" in cells
    assert "toy-mill" in cells
    assert any("env_obs uint8[2, 3]" in cell for cell in cells)


def test_what_a_user_wrote_is_text(folder, tmp_path):
    path = folder([row(0, **{"<b>x</b>/loss": 1.0})], {"end": "failed", "why": "<script>alert(1)</script>"})
    (path / "eval<i>.json").write_text('{"return_mean": 1.0, "environment": "</script><img src=x>"}')
    assert call(path, "-o", tmp_path / "page.html").exit_code == 0
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    Page(text)
    assert "<script>alert" not in text
    assert "<b>x" not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_it_stands_in_the_folder_if_nothing_else_is_said(folder):
    path = folder([row(0)])
    assert call(path).stdout == f"report  {path / 'report.html'}\n"
    assert {item.name for item in path.iterdir()} == {"settings.yaml", "metrics.jsonl", "report.html"}


def test_a_report_of_no_update_says_so(folder):
    path = folder([], {"end": "failed", "why": "the loss is nan"})
    assert call(path).exit_code == 0
    assert "No update was finished, so that there are no curves." in (path / "report.html").read_text()


def test_a_place_that_cannot_be_written(folder, tmp_path):
    result = call(folder([row(0)]), "-o", tmp_path / "nowhere" / "page.html")
    assert isinstance(result.exception, GlulamError)
    told = r"cannot write .*page.html: No such file or directory; name another file with -o"
    assert re.fullmatch(told, str(result.exception))


def test_films_are_shown(folder):
    path = folder([row(0)])
    (path / "episodes").mkdir()
    (path / "episodes" / "first.mp4").write_bytes(b"film")
    (path / "episodes" / "second.gif").write_bytes(b"film")
    assert call(path).exit_code == 0
    page = Page((path / "report.html").read_text())
    shown = [(tag, attributes["src"]) for tag, attributes in page.attributes if attributes.get("src")]
    assert shown == [("video", "data:video/mp4;base64,ZmlsbQ=="), ("img", "data:image/gif;base64,ZmlsbQ==")]
