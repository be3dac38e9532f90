"""YAML of policies: read by the rules of 1.2, written so that every reader reads the same."""

import pytest
import yaml

import glulam
from glulam import GlulamError
from glulam_train.yaml_file import read_yaml, write_yaml


def read(tmp_path, text):
    path = tmp_path / "file.yaml"
    path.write_text(text, encoding="utf-8")
    return read_yaml(path, "sweep")


VALUES = {
    "1e-3": 1e-3,
    "2E5": 2e5,
    ".5": 0.5,
    "3.": 3.0,
    "010": 10,
    "-7": -7,
    "no": "no",
    "yes": "yes",
    "true": True,
    "null": None,
    "~": None,
    "1_000": "1_000",
    "12:30": "12:30",
    "2020-01-01": "2020-01-01",
    "'1e-3'": "1e-3",
    "<<": "<<",
    "1.2.3": "1.2.3",
}


@pytest.mark.parametrize(("text", "value"), VALUES.items(), ids=VALUES)
def test_scalars_mean_what_they_mean_in_a_policy(tmp_path, text, value):
    found = read(tmp_path, f"key: {text}\n")["key"]
    assert (found, type(found)) == (value, type(value))


REFUSED = {
    "a: [\n": "file.yaml:2:1: no YAML: ",
    "a: 1\nb: 2\na: 3\n": "file.yaml:3:1: no YAML: 'a' stands twice: remove one of them",
    "? [a]\n: 1\n": "file.yaml:1:3: no YAML: a key is a word",
    "- a\n": "file.yaml holds no sweep but list: write 'field: value' lines",
    "": "file.yaml holds no sweep but NoneType",
    "a: !!python/name:os.system x\n": "no YAML: could not determine a constructor for the tag",
}


@pytest.mark.parametrize(("text", "message"), REFUSED.items(), ids=range(len(REFUSED)))
def test_what_is_no_mapping_is_refused_with_its_place(tmp_path, text, message):
    with pytest.raises(GlulamError) as caught:
        read(tmp_path, text)
    assert message in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(GlulamError, match=r"cannot read the sweep .*none\.yaml: No such file or directory; check the"):
        read_yaml(tmp_path / "none.yaml", "sweep")


def test_what_is_written_is_read_by_readers_of_any_yaml(tmp_path):
    """Oracle: PyYAML's own reader, of YAML 1.1."""
    data = {
        "a": ["1e-3", 1e-5, "no", "0o17", "", "null", "a: b", "é", "\u2028", True, None],
        "no": {"b.c": [], "d": {}},
    }
    write_yaml(tmp_path / "file.yaml", data)
    assert read_yaml(tmp_path / "file.yaml", "sweep") == data
    assert yaml.safe_load((tmp_path / "file.yaml").read_text(encoding="utf-8")) == data
    assert [path.name for path in tmp_path.iterdir()] == ["file.yaml"]


@pytest.mark.parametrize("name", ["toy", "latent_attn_tiny", "fast", "vit_lstm"])
def test_policies_come_back_whole(tmp_path, name):
    """Oracle: the resolver's own reader."""
    whole = glulam.resolve(name).to_mapping()
    write_yaml(tmp_path / "policy.yaml", whole)
    assert glulam.resolve(tmp_path / "policy.yaml").to_mapping() == whole
