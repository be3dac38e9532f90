"""Mistakes in a policy written as a Python config: the same faults, with the attribute path in place of the line."""

import attrs
import pytest

import glulam
from glulam import PolicyError, resolve
from tests.core.faults.corpus import ENV
from tests.core.faults.strange import STRANGE


@pytest.fixture
def make(corpus):
    """Return a config class like `strange`, some attributes of which have other values, or none."""
    kinds = {
        name: corpus.registry.layers[name].load() for name in ("gaze", "zorp", "quell", "mibble", "yarrow", "verdict")
    }
    values = {"name": "strange", "obs_shaper": kinds["gaze"]()}
    for entry in STRANGE["layers"]:
        fields = {name: value for name, value in entry.items() if name not in ("layer", "name")}
        values[entry.get("name", entry["layer"])] = kinds[entry["layer"]](**fields)
    values["action_head"] = kinds["verdict"]()

    def build(order=None, **changed):
        wanted = {name: changed.get(name, value) for name, value in values.items()}
        names = [name for name in order or wanted if wanted[name] is not None]
        fields = {name: attrs.field(default=wanted[name]) for name in names}
        return attrs.make_class("Strange", fields, bases=(glulam.PolicyConfig,), frozen=True)()

    build.kinds = kinds
    return build


@pytest.fixture
def faults(corpus):
    def of(config, **options):
        with pytest.raises(PolicyError) as caught:
            resolve(config, env=ENV, registry=corpus.registry, **options)
        return [(f.code, f.place.path, f.layer, f.distribution) for f in caught.value.faults]

    return of


def test_a_good_config_equals_its_yaml_twin(make, corpus):
    assert (
        resolve(make(), registry=corpus.registry).to_mapping()
        == resolve(STRANGE, registry=corpus.registry).to_mapping()
    )


@pytest.mark.parametrize(
    ("attribute", "kind", "fields", "code", "path"),
    [
        ("quell", "quell", {"inlet": "ferrumm"}, "GL304", "quell.inlet"),
        ("quell", "quell", {"outlet": "ferrum"}, "GL302", "quell.outlet"),
        ("quell", "quell", {"inlet": "stannum"}, "GL305", "quell.inlet"),
        ("quell", "quell", {"inlet": "aurum"}, "GL401", "quell.inlet"),
        ("quell", "quell", {"inlet": "dones"}, "GL402", "quell.inlet"),
        ("quell", "quell", {"arms": 5}, "GL403", "quell.arms"),
        ("quell", "quell", {"inlet": "last_rewards"}, "GL503", "quell.inlet"),
        ("zorp", "gaze", {"outlet": "ferrum"}, "GL104", "zorp"),
    ],
)
def test_a_mistake_is_reported_at_its_attribute(make, faults, attribute, kind, fields, code, path):
    found = faults(make(**{attribute: make.kinds[kind](**fields)}))
    assert (code, f"Strange.{path}", attribute, "wyvern-labs 2.7") in found
    assert {item[0] for item in found} <= {code, "GL302"} if kind == "gaze" else len(found) == 1


def test_the_order_of_attributes_is_the_order_of_execution(make, faults):
    order = ["name", "obs_shaper", "quell", "zorp", "quell_again", "mibble", "yarrow", "action_head"]
    assert faults(make(order)) == [("GL303", "Strange.quell.inlet", "quell", "wyvern-labs 2.7")]


def test_what_is_missing_or_no_layer(make, faults):
    assert faults(make(obs_shaper=None)) == [("GL504", "Strange", None, None)]
    assert faults(make(action_head=None)) == [("GL103", "Strange", None, None)]
    assert faults(make(quell=3)) == [("GL104", "Strange.quell", None, None)]
    assert faults(make(), losses=["wnts"]) == [("GL201", "losses[0]", None, None)]


def test_a_class_that_is_no_attrs_class(faults):
    class Plain(glulam.PolicyConfig):
        name = "plain"

    assert faults(Plain()) == [("GL104", "Plain", None, None)]
