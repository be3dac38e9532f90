"""The JSON Schema of policy files, held against every shipped policy and every broken one of the corpus."""

import json
from pathlib import Path

import jsonschema
import pytest

import glulam
from glulam.document import read_document
from glulam.schema import policy_schema
from tests.core.faults.corpus import STYLES, open_corpus
from tests.core.faults.mutators import mutators
from tests.core.faults.test_changes import CHANGES
from tests.core.faults.test_files import FILES
from tests.core.faults.texts import expected_places

# Mistakes in a file's sections that a schema can see; of the others it has no words.
SEEN = {
    "a list", "no version", "another version", "version true", "name a number", "unknown section", "misspelt layers",
    "misspelt head", "misspelt shaper", "no shaper", "no head", "layers a mapping", "a layer is a number",
    "changes without extends",
}  # fmt: skip
SEEN_CHANGES = {
    "extends a number", "extends and lists layers", "set of no field", "set is a list", "replace by a number",
    "replace by a fault", "insert without a place", "insert in two places",
}  # fmt: skip


@pytest.fixture(scope="module")
def corpus():
    with open_corpus() as found:
        yield found


@pytest.fixture(scope="module")
def validator(corpus):
    schema, errors = policy_schema(corpus.registry)
    assert sorted(error.message.partition(":")[0] for error in errors) == [
        "cursed-endless", "cursed-import-error", "cursed-no-attribute", "cursed-old-protocol", "cursed-syntax-error",
        "cursed-system-exit", "cursed-undecorated", "cursed-wrong-object",
    ]  # fmt: skip
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(json.loads(json.dumps(schema)))


def problems(validator, file):
    value = json.loads(json.dumps(read_document(file).value))
    return [error.message for error in validator.iter_errors(value)]


def test_every_shipped_policy_fits(validator):
    registry = glulam.registry()
    files = [entry.resource for entry in registry.policies.values() if entry.resource]
    assert len(files) >= 2
    for file in files:
        assert problems(validator, file) == []
    for name in registry.policies:
        mapping = json.loads(json.dumps(glulam.resolve(name).to_mapping()))
        assert list(validator.iter_errors(mapping)) == [], name


@pytest.mark.parametrize("name", sorted(STYLES.keys() - {"latent_attn_small", "latent_attn_med"}))  # as vit_lstm
def test_good_policies_fit_and_broken_ones_do_not_where_a_schema_can_tell(name, validator, corpus):
    corpus.file.write_text("".join(corpus.good[name].chunks()), encoding="utf-8")
    assert problems(validator, corpus.file) == []
    wrong, seen = [], 0
    for mutator in mutators(corpus.good[name]):
        chunks = corpus.good[name].chunks()
        mutator.edit(chunks)
        corpus.file.write_text(expected_places("".join(chunks))[1], encoding="utf-8")
        if read_document_or_none(corpus.file) is None or mutator.code == "GL107":
            continue
        found = problems(validator, corpus.file)
        seen += bool(found)
        if bool(found) != mutator.seen_by_schema and not is_kind(mutator):
            wrong.append((mutator.name, mutator.code, found))
    assert wrong == [], "\n".join(map(str, wrong))
    assert seen > 50


def is_kind(mutator):
    """Whether it names a kind that does not import: the schema knows none of these."""
    return mutator.kind.startswith("kind ")


def read_document_or_none(file):
    try:
        return read_document(file)
    except glulam.PolicyError:
        return None


@pytest.mark.parametrize("what", FILES)
def test_mistakes_in_the_sections(what, validator, corpus):
    edit, code, *_ = FILES[what]
    corpus.file.write_text(expected_places(edit("".join(corpus.good["strange"].chunks())))[1], encoding="utf-8")
    document = read_document_or_none(corpus.file)
    if document is None or document.faults or document.value is None:
        assert code in ("GL101", "GL103", "GL104", "GL105", "GL107")  # no value that a schema could be held against
        return
    assert bool(problems(validator, corpus.file)) is (what in SEEN)


@pytest.mark.parametrize("what", CHANGES)
def test_mistakes_in_the_changes(what, validator, corpus):
    text, code = CHANGES[what]
    corpus.file.write_text(expected_places(text)[1], encoding="utf-8")
    if code == "GL107":
        return
    assert bool(problems(validator, corpus.file)) is (what in SEEN_CHANGES)


def test_fields_have_types_limits_defaults_and_descriptions():
    schema, _ = policy_schema(glulam.registry())
    lstm = schema["definitions"]["glulam-memory:lstm"]
    assert lstm["properties"]["layer"]["enum"] == ["lstm", "glulam-memory:lstm"]
    assert lstm["properties"]["hidden_size"] == {
        "type": "integer", "exclusiveMinimum": 0, "default": 128,
        "description": lstm["properties"]["hidden_size"]["description"],
    }  # fmt: skip
    assert lstm["properties"]["in_dim"]["anyOf"] == [{"type": "integer", "exclusiveMinimum": 0}, {"type": "null"}]
    assert lstm["description"].startswith("An LSTM of one or more layers")
    assert lstm["description"].endswith("From glulam-memory 0.1.0.")
    ours = {name: layer for name, layer in schema["definitions"].items() if name.startswith("glulam-")}
    for name, layer in ours.items():
        for field, found in layer.get("properties", {}).items():
            assert found.get("description") or field == "layer", (name, field)
    cnn = schema["definitions"]["glulam-vision:cnn"]["properties"]["channels"]
    assert (cnn["type"], cnn["items"], cnn["minItems"]) == ("array", {"type": "integer", "exclusiveMinimum": 0}, 1)


def test_the_schema_of_the_types_that_a_stranger_may_use(plugins):
    source = '''
    import enum
    import attrs
    import glulam
    from typing import Any, Literal
    from attrs.validators import and_, ge, in_, le, matches_re, max_len

    class Colour(enum.Enum):
        RED = "red"

    @attrs.frozen
    class Inner:
        depth: int
        rate: float = attrs.field(default=0.5, validator=and_(ge(0), le(1)))

    @glulam.layer
    class Odd(glulam.LayerConfig):
        """Odd.

        Attributes:
            pair: Two numbers,
                in order.
        """
        pair: tuple[int, str]
        inner: Inner | None = None
        table: dict[str, list[float]] = attrs.Factory(dict)
        colour: Colour = Colour.RED
        mode: Literal["a", "b"] = "a"
        code: str = attrs.field(default="x1", validator=[matches_re("[a-z][0-9]"), max_len(8)])
        choice: int = attrs.field(default=1, validator=in_((1, 2)))
        anything: Any = None
    '''
    plugins.add("odd", {"glulam.layers": {"odd": "Odd"}}, source)
    schema, errors = policy_schema(plugins.registry)
    assert errors == []
    odd = schema["definitions"]["odd:odd"]
    assert odd["if"] == {"required": ["share"]}
    assert odd["else"] == {"required": ["pair"]}
    fields = odd["properties"]
    assert fields["pair"] == {
        "type": "array", "items": [{"type": "integer"}, {"type": "string"}], "additionalItems": False,
        "description": "Two numbers, in order.",
    }  # fmt: skip
    inner, null = fields["inner"]["anyOf"]
    assert null == {"type": "null"}
    assert inner["required"] == ["depth"]
    assert inner["properties"]["rate"] == {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5}
    assert fields["table"] == {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "number"}}}
    assert fields["colour"] == {"enum": ["red"]}
    assert fields["mode"] == {"enum": ["a", "b"], "default": "a"}
    assert (fields["code"]["pattern"], fields["code"]["maxLength"]) == ("^(?:[a-z][0-9])$", 8)
    assert fields["choice"]["enum"] == [1, 2]
    assert fields["anything"] == {}


def test_a_name_that_two_claim_is_offered_by_its_long_names_alone(plugins):
    from tests.core.conftest import BOARDS

    for name in ("one", "two"):
        plugins.add(name, {"glulam.layers": {"scale": "Scale"}}, BOARDS)
    schema, _ = policy_schema(plugins.registry)
    assert schema["definitions"]["layer"]["then"]["enum"] == ["one:scale", "two:scale"]


def test_the_command_writes_a_whole_file_or_none(tmp_path):
    from click.testing import CliRunner

    from glulam.cli._schema import schema

    file = tmp_path / "schema.json"
    assert CliRunner().invoke(schema, ["-o", str(file)]).exit_code == 0
    assert json.loads(file.read_text()) == policy_schema(glulam.registry())[0]
    done = CliRunner().invoke(schema, ["-o", str(tmp_path / "no" / "folder.json")])
    assert isinstance(done.exception, glulam.GlulamError)
    assert "cannot write" in str(done.exception)
    assert [path.name for path in Path(tmp_path).iterdir()] == ["schema.json"]
