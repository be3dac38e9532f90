"""The curated index: remedies that name a row's own source, and what contradicts itself."""

import pytest

from glulam import GlulamError, Registry
from glulam.index import Index, Row, check_index, read_index

ROW = '[distributions.far-away]\nsummary = "far"\nsource = "{source}"\nversions = ["1.0"]\nlayers = ["teleport"]\n'


@pytest.fixture
def index(tmp_path):
    """Read an index from a text."""

    def read(text):
        file = tmp_path / "registry.toml"
        file.write_text(text, encoding="utf-8")
        return read_index(file)

    return read


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        ("far-away", "pip install far-away  # it comes with far-away"),
        ("git+https://far.example/x", "pip install git+https://far.example/x  # it comes with far-away"),
        ("./plugins/far", "pip install ./plugins/far  # in a checkout of glulam; it comes with far-away"),
    ],
)
def test_a_remedy_is_the_rows_own_source(index, source, remedy):
    found = index(ROW.format(source=source))
    assert found.remedy("layers", "teleport", {}) == remedy
    assert found.remedy("layers", "far-away:teleport", {}) == remedy
    assert found.remedy("layers", "other:teleport", {}) is None
    assert found.remedy("policies", "teleport", {}) is None


def test_an_installed_distribution_that_lacks_the_name_is_to_be_upgraded(index):
    found = index(ROW.format(source="far-away"))
    expected = "pip install --upgrade far-away  # far-away 0.9 is there without it"
    assert found.remedy("layers", "teleport", {"far-away": "0.9"}) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[distributions.x]\nsource = 'x'\nversions = []\n", "distribution 'x': summary is None; write a string"),
        ("[distributions.x]\nsummary = 'x'\nsource = ''\nversions = []\n", "source is ''; write a string"),
        ("[distributions.x]\nsummary = 'x'\nsource = 'x'\nlayer = []\n", "unknown field 'layer'; there are: summary"),
        (
            "[distributions.x]\nsummary = 'x'\nsource = 'x'\nversions = '1'\n",
            "versions is '1'; write a list of strings",
        ),
        ("[distributions.x]\nsummary = 'x'\nsource = 'x'\nversions = []\nlayers = [3]\n", "layers is [3]"),
        ("distributions = 3\n", "has no table [distributions.NAME]"),
        ("[distributions\n", "cannot be read"),
        ("[distributions]\nx = 3\n", "distribution 'x': expected a table, found 3"),
    ],
)
def test_a_row_that_is_none_is_refused(index, text, words):
    with pytest.raises(GlulamError) as caught:
        index(text)
    assert words in str(caught.value)
    assert "registry.toml" in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(GlulamError, match="nowhere.toml cannot be read"):
        read_index(tmp_path / "nowhere.toml")


def test_contradictions_are_told(index, tmp_path):
    (tmp_path / "plugins").mkdir()
    text = ROW.format(source="other-name") + ROW.format(source="./plugins/gone").replace("far-away", "Near_By")
    text = text.replace('versions = ["1.0"]', "versions = []", 1)
    assert check_index(index(text), Registry([])) == [
        "layers: 'teleport' is claimed by far-away and Near_By",
        "far-away: no version was checked",
        "far-away: its source is the name 'other-name'; a name is what is published as far-away",
        "Near_By: write the name as near-by",
        "Near_By: its source ./plugins/gone is no folder beside registry.toml",
    ]


def test_differences_to_what_is_installed_are_told(plugins):
    plugins.add("boards", {"glulam.layers": {"scale": "X", "pool": "X"}, "glulam.losses": {"mean": "X"}}, version="2.0")
    row = Row(summary="x", source="boards", versions=("1.0",), offers={"layers": ("scale", "gone")})
    assert check_index(Index({"boards": row}), plugins.registry) == [
        "boards: version 2.0 is installed; checked are: 1.0",
        "boards: its layers lack 'pool', which version 2.0 offers",
        "boards: its layers list 'gone', which version 2.0 does not offer",
        "boards: its losses lack 'mean', which version 2.0 offers",
    ]


def test_the_shipped_index_holds():
    found = read_index()
    assert len(found) >= 9
    assert check_index(found, Registry.installed()) == []
