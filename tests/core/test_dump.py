"""What is written as YAML is read back as the same values, whatever the values are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import glulam
from glulam.document import read_document
from glulam.dump import dump_policy

TRICKY = [
    "1e-3", "no", "0o17", "~", "null", "1_000", ".inf", ".NaN", "0x1f", "-.5", "true", "=", "<<", "1:30", "2024-01-01",
    "- a", "a: b", "#x", "'", '"', "\n", " x ", "!!str", "&a", "*b", "\x85", "\u2028", "\ufeff", "",
]  # fmt: skip
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=40)
    | st.sampled_from(TRICKY)
)
names = st.text(min_size=1, max_size=10) | st.sampled_from(TRICKY[:-1])
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4))


@given(value=st.dictionaries(names, values, max_size=4))
def test_writing_and_reading_changes_no_value(tmp_path_factory, value):
    file = tmp_path_factory.getbasetemp() / "dumped.yaml"
    file.write_bytes(dump_policy(value).encode())
    document = read_document(file)
    assert document.faults == []
    assert repr(document.value) == repr(value)  # repr: True is not 1, 1.0 is not 1, -0.0 is not 0.0


@pytest.mark.parametrize("name", sorted(glulam.registry().policies))
def test_resolving_what_was_printed_prints_it_again(name, tmp_path):
    text = dump_policy(glulam.resolve(name).to_mapping())
    file = tmp_path / "again.yaml"
    file.write_text(text, encoding="utf-8")
    again = glulam.resolve(file)
    assert dump_policy(again.to_mapping()) == text
    assert again.all_layers == glulam.resolve(name).all_layers


def test_lists_of_plain_values_stand_on_one_line():
    text = dump_policy({"glulam": 1, "layers": [{"layer": "cnn", "channels": [64, 64], "name": "no"}]})
    assert text == "glulam: 1\nlayers:\n  - layer: cnn\n    channels: [64, 64]\n    name: no\n"
