"""Mistakes in what a policy changes in the one that it extends, and in the file that is extended."""

import pytest

from glulam import PolicyError, resolve
from glulam.dump import dump_policy
from tests.core.faults.corpus import ENV, spots
from tests.core.faults.strange import STRANGE
from tests.core.faults.texts import MARK, expected_places

BASE = "glulam: 1\nextends: base.yaml\n"

# What a file that extends `strange` says, and the code. The mark says where.
CHANGES = {
    "extends a number": (f"glulam: 1\nextends: {MARK}3\n", "GL106"),
    "extends no file": (f"glulam: 1\nextends: {MARK}bse.yaml\n", "GL106"),
    "extends itself": (f"glulam: 1\nextends: {MARK}variant.yaml\n", "GL106"),
    "extends a class": (f"glulam: 1\nextends: {MARK}fast_class\n", "GL106"),
    "extends and lists layers": (f"{BASE}{MARK}layers: [zorp]\n", "GL104"),
    "set of an unknown layer": (f"{BASE}set: {{{MARK}quel.arms: 2}}\n", "GL106"),
    "set of an unknown field": (f"{BASE}set: {{{MARK}quell.arm: 2}}\n", "GL102"),
    "set to another type": (f"{BASE}set: {{quell.arms: {MARK}two}}\n", "GL104"),
    "set to NaN": (f"{BASE}set: {{quell.arms: {MARK}.nan}}\n", "GL107"),
    "set of no field": (f"{BASE}set: {{{MARK}quell: 2}}\n", "GL104"),
    "set of a name": (f"{BASE}set: {{{MARK}quell.name: other}}\n", "GL106"),
    "set is a list": (f"{BASE}set: {MARK}[quell]\n", "GL104"),
    "set does not divide": (f"{BASE}set: {{quell.arms: {MARK}5}}\n", "GL403"),
    "set reads nothing": (f"{BASE}set: {{mibble.left: {MARK}plumbumm}}\n", "GL304"),
    "set to an unknown kind": (f"{BASE}set: {{quell.layer: {MARK}quelll}}\n", "GL201"),
    "remove an unknown layer": (f"{BASE}remove: [{MARK}quel]\n", "GL106"),
    "remove an end": (f"{BASE}remove: [{MARK}action_head]\n", "GL106"),
    "remove and set": (
        f"{BASE}remove: [quell]\nset: {{{MARK}quell.arms: 2, mibble.left: stannum, quell_again.inlet: ferrum}}\n",
        "GL106",
    ),
    "replace an unknown layer": (f"{BASE}replace: {{{MARK}quel: {{layer: zorp}}}}\n", "GL106"),
    "replace by a number": (f"{BASE}replace: {{quell: {MARK}3}}\n", "GL104"),
    "replace by a fault": (
        f"{BASE}replace: {{quell: {{layer: quell, outlet: plumbum, inlet: ferrum, girth: {MARK}-1}}}}\n",
        "GL104",
    ),
    "insert without a place": (f"{BASE}insert: [{MARK}{{layers: []}}]\n", "GL104"),
    "insert in two places": (f"{BASE}insert: [{MARK}{{before: quell, after: zorp, layers: []}}]\n", "GL104"),
    "insert at an unknown layer": (f"{BASE}insert: [{{before: {MARK}quel, layers: []}}]\n", "GL106"),
    "insert before the first": (f"{BASE}insert: [{{before: {MARK}obs_shaper, layers: []}}]\n", "GL106"),
    "insert a taken name": (
        f"{BASE}insert: [{{after: zorp, layers: [{{layer: zorp, name: {MARK}zorp, outlet: aurelium}}]}}]\n",
        "GL301",
    ),
    "insert a taken key": (
        f"{BASE}insert: [{{before: mibble, layers: [{{layer: zorp, name: other, outlet: {MARK}plumbum}}]}}]\n",
        "GL302",
    ),
}


@pytest.fixture
def variant(corpus):
    """Write a base and a file that extends it, and return the faults of the latter."""
    folder = corpus.file.parent

    def faults(text, base=None):
        (folder / "base.yaml").write_text(base or dump_policy(STRANGE), encoding="utf-8")
        (folder / "variant.yaml").write_text(text, encoding="utf-8")
        try:
            return resolve(folder / "variant.yaml", env=ENV, registry=corpus.registry).to_mapping()
        except PolicyError as error:
            return error.faults

    return faults


@pytest.mark.parametrize("what", CHANGES)
def test_a_mistake_in_a_change_is_reported_where_it_stands_and_nothing_else(what, variant):
    text, code = CHANGES[what]
    places, text = expected_places(text)
    found = variant(text)
    assert spots(found) == [(code, places[MARK])], "\n\n".join(map(str, found))
    assert found[0].place.file.endswith("variant.yaml")


def test_a_mistake_in_the_base_is_reported_in_the_base(variant):
    base = dump_policy(STRANGE).replace("arms: 3", f"arms: {MARK}much")
    places, base = expected_places(base)
    found = variant(f"{BASE}set: {{mibble.left: plumbumm}}\n", base)
    assert [(f.code, f.place.file.rpartition("/")[2], f.layer) for f in found] == [
        ("GL104", "base.yaml", "quell"), ("GL304", "variant.yaml", "mibble"),
    ]  # fmt: skip
    assert (found[0].place.line, found[0].place.column) == places[MARK]


def test_a_base_that_is_no_yaml_is_the_only_fault(variant):
    found = variant(f"{BASE}set: {{quell.arms: 2}}\n", "glulam: [")
    assert [(f.code, f.place.file.rpartition("/")[2]) for f in found] == [("GL101", "base.yaml")]


def test_a_circle_of_files_is_shown(variant):
    found = variant(BASE, "glulam: 1\nextends: variant.yaml\n")
    assert [f.code for f in found] == ["GL106"]
    assert "variant.yaml extends base.yaml extends variant.yaml" in found[0].message


def test_a_change_mends_a_fault_of_the_base(variant):
    base = dump_policy(STRANGE).replace("arms: 3", "arms: 5")
    assert [f.code for f in variant(BASE, base)] == ["GL403"]
    assert variant(f"{BASE}set: {{quell.arms: 3}}\n", base)["layers"][1]["arms"] == 3


def names(mapping):
    return [layer["name"] for layer in mapping["layers"]]


def test_changes_are_made_in_the_order_of_the_file_and_keep_the_rest(variant):
    plain = variant(BASE)
    assert names(plain) == ["zorp", "quell", "quell_again", "mibble", "yarrow"]
    changed = variant(
        BASE + "name: other\nset: {zorp.cheer: 2, zorp_2.girth: 12}\nremove: [quell]\n"
        "replace: {quell_again: {layer: quell, inlet: ferrum, outlet: stannum, arms: 2, girth: 12}}\n"
        "insert:\n"
        "  - {after: zorp, layers: [{layer: quell, name: a, outlet: k1}, {layer: quell, name: b, outlet: k2}]}\n"
        "  - {after: zorp, layers: [{layer: quell, name: c, outlet: k3}]}\n"
        "  - {before: action_head, layers: [{layer: quell, name: last, inlet: cuprum, outlet: k4}]}\n"
        "  - {after: obs_shaper, layers: [{layer: zorp, name: zorp_2, outlet: plumbum}]}\n"
    )
    assert changed["name"] == "other"
    assert names(changed) == ["zorp_2", "zorp", "a", "b", "c", "quell_again", "mibble", "yarrow", "last"]
    layers = {layer["name"]: layer for layer in changed["layers"]}
    assert layers["zorp"] == {**plain["layers"][0], "cheer": 2.0}
    assert layers["quell_again"]["arms"] == 2
    assert layers["yarrow"] == plain["layers"][4] | {"span": 12}


def test_a_chain_of_files_is_one_policy(variant, corpus):
    (corpus.file.parent / "middle.yaml").write_text(f"{BASE}set: {{zorp.cheer: 3, quell.arms: 4}}\n", encoding="utf-8")
    chained = variant("glulam: 1\nextends: middle.yaml\nset: {quell.arms: 6}\n")
    assert chained == variant(f"{BASE}set: {{zorp.cheer: 3, quell.arms: 6}}\n")
    assert chained["layers"][0]["cheer"] == 3.0


def test_a_registered_policy_is_extended_by_its_name(variant):
    found = variant("glulam: 1\nextends: fast\nset: {memory.num_layers: 1}\nremove: [action_embedding]\n"
                    "replace: {actor: {layer: linear_actor, in_key: core}}\n")  # fmt: skip
    assert found["name"] == "fast"
    assert names(found) == ["cnn", "encoder", "memory", "activation", "critic", "actor"]
    assert found["layers"][2]["num_layers"] == 1


def test_a_remedy_lists_the_layers_in_the_order_of_execution(variant):
    (fault,) = variant(f"{BASE}remove: [xyzzy_plugh]\n")
    names = "obs_shaper, zorp, quell, quell_again, mibble, yarrow, action_head"
    assert fault.remedy == f"there are: {names}"
