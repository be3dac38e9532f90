"""YAML as policy files use it: places, YAML 1.2 scalars, and refusals."""

import tracemalloc

import pytest

from glulam import PolicyError
from glulam._unknown import UNKNOWN, UnknownError
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
        (bomb(), "GL107", "holds over 200,000 values"),
        ("a: &a [*a]", "GL107", "nests over 60 deep"),
        ("[" * 100 + "]" * 100, "GL107", "nests over 60 deep"),
        ("\0", "GL101", "not YAML"),
        ("a: !!str 5", "GL107", "the tag"),
        ("a: &b !!str 5", "GL107", "the tag"),
        ("a: .nan", "GL107", "a policy file holds no NaN"),
        ("a: " + "x" * 5000, "GL107", "a value of 5,000 characters"),
        ("? " + "x" * 300 + "\n: 1", "GL107", "a key of 300 characters"),
        ("? [a]\n: 1", "GL104", "a mapping's key is a word"),
    ],
    ids=[
        "syntax",
        "duplicate",
        "utf-8",
        "python",
        "tag",
        "size",
        "bomb",
        "loop",
        "deep",
        "nul",
        "str tag",
        "anchored tag",
        "NaN",
        "long value",
        "long key",
        "list as key",
    ],
)
def test_what_is_refused(read, data, code, words):
    try:
        found = read(data).faults  # of single values; the rest is read all the same
    except PolicyError as error:
        found = error.faults
    assert [fault.code for fault in found] == [code]
    assert words in str(found[0])


def test_a_missing_file_and_a_folder(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(PolicyError, match="GL107 cannot read the file"):
            read_document(path)


def test_a_value_at_fault_is_unknown_and_the_rest_is_read(read):
    document = read("a: !x 1\nb: 2\nb: 3\nc: .nan\nd: .inf\n")
    assert [(fault.code, fault.place.line) for fault in document.faults] == [("GL107", 1), ("GL105", 3), ("GL107", 4)]
    assert document.value["a"] is document.value["c"] is UNKNOWN
    assert (document.value["b"], document.value["d"]) == (2, float("inf"))


def test_nothing_can_be_computed_from_an_unknown_value():
    uses = [
        bool,
        len,
        str,
        iter,
        hash,
        int,
        lambda x: x == 1,
        lambda x: x + 1,
        lambda x: 1 + x,
        lambda x: x.y,
        lambda x: x < 1,
    ]
    for use in uses:
        with pytest.raises(UnknownError):
            use(UNKNOWN)
    assert repr(UNKNOWN) == "<unknown>"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["unix", "dos", "old"])
def test_places_hold_whatever_ends_a_line(read, end):
    document = read(f'\ufeff# \u00e9\u4e2d{end}a:{end}  - "\u4e2d"{end}  - &x b: !y 1{end}'.encode())
    (fault,) = document.faults
    assert (fault.place.line, fault.place.column, fault.place.source_line) == (4, 11, "  - &x b: !y 1")


def test_100_000_brackets_are_refused_at_once(read):
    for text in ("[" * 100_000, "{a: " * 100_000):
        with pytest.raises(PolicyError, match="GL101 not YAML: exceeded maximum nesting depth"):
            read(text)


def test_of_a_file_that_is_too_large_no_more_is_read_than_tells_so(tmp_path):
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(256 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(
            PolicyError, match="GL107 the file holds 268,435,456 bytes; a policy file holds at most 1,048"
        ):
            read_document(path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_the_largest_file_is_read(read):
    text = "a: b\n#" + "x" * ((1 << 20) - 6)
    assert len(text) == 1 << 20
    assert read(text).value == {"a": "b"}
    with pytest.raises(PolicyError, match="GL107 the file holds 1,048,577 bytes"):
        read(text + "x")
