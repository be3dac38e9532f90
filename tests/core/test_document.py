"""YAML as policy files use it: places, YAML 1.2 scalars, and refusals."""

import pytest

from glulam import PolicyError
from glulam.document import format_path, read_document


@pytest.fixture
def read(tmp_path):
    def write_and_read(data):
        path = tmp_path / "file.yaml"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return read_document(path)

    return write_and_read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3), ("1_000", "1_000"), ("no", "no"), ("yes", "yes"), ("on", "on"), ("true", True),
        ("null", None), ("~", None), ("", None), ("0x1F", 31), ("0o17", 15), ("017", 17), ("-4", -4), (".5", 0.5),
        ("'1'", "1"), ('"true"', "true"), ("1:30", "1:30"), ("2024-01-01", "2024-01-01"), ("1.", 1.0), ("5e3", 5000.0),
    ],
)  # fmt: skip
def test_scalars_follow_yaml_1_2(read, text, value):
    found = read(f"x: {text}").value["x"]
    assert found == value
    assert type(found) is type(value)


def test_places_of_keys_and_values(read):
    document = read("a:\n  - b: 1\n    c: [2, 3]\n")
    place = document.place("a", 0, "c", 1)
    assert (place.path, place.line, place.column, place.source_line) == ("$.a[0].c[1]", 3, 12, "    c: [2, 3]")
    assert document.place("a", 0, "c", key=True).column == 5
    assert document.place("a", 0, "missing").line == 2
    assert format_path(("layers", 3, "name")) == "$.layers[3].name"


def bomb():
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        ("a: [1", "GL101", "not YAML"),
        ("a: 1\na: 2", "GL105", "'a' appears twice (first in line 1)"),
        (b"a: \xff", "GL107", "not UTF-8"),
        ("a: !!python/object:os.system x", "GL107", "the tag"),
        ("a: !mine x", "GL107", "the tag '!mine' is not allowed"),
        ("a: " + "x" * (2 << 20), "GL107", "a policy file holds at most 1,048,576"),
        (bomb(), "GL107", "expand to over 200,000 values"),
        ("a: &a [*a]", "GL107", "nests over 60 deep"),
        ("[" * 100 + "]" * 100, "GL107", "nests over 60 deep"),
        ("\0", "GL101", "not YAML"),
    ],
    ids=["syntax", "duplicate", "utf-8", "python", "tag", "size", "bomb", "loop", "deep", "nul"],
)
def test_what_is_refused(read, data, code, words):
    with pytest.raises(PolicyError) as caught:
        read(data)
    assert caught.value.faults[0].code == code
    assert words in str(caught.value)


def test_a_missing_file_and_a_folder(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(PolicyError, match="GL107 cannot read the file"):
            read_document(path)
