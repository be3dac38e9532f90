"""Dims flow from writers to readers; what is `None` is inferred."""

import glulam
from glulam import resolve
from glulam.config import PolicyConfig


def test_none_is_inferred_from_the_producer_and_properties_follow(policy_file, registry, env):
    resolved = resolve(policy_file(), env=env, registry=registry)
    widths = {layer.name: layer.config.in_dim for layer in resolved.layers}
    assert widths == {"pool": 3, "scale": 3, "running_sum": 6, "logit_table": 6}
    assert resolved.keys["summed"].dims == (6,)
    assert resolved.keys["logits"].dims == (3,)
    assert resolved.keys["tokens"].dims == ("obs_shaper.N", 3)


def test_without_an_environment_dims_stay_symbolic(policy_file, registry):
    resolved = resolve(policy_file(), registry=registry)
    assert resolved.keys["logits"].dims == ("env.num_actions",)
    assert resolved.layers[0].config.in_dim is None


def test_resolving_what_was_resolved_changes_nothing(policy_file, registry, env):
    once = resolve(policy_file(), env=env, registry=registry)
    twice = resolve(once, env=env, registry=registry)
    assert twice.to_mapping() == once.to_mapping()
    assert twice.keys == once.keys


def test_a_python_config_equals_its_yaml_twin_and_reports_attribute_paths(policy_file, registry, env):
    import attrs
    import pytest

    layers = {name: registry.layers[name].load() for name in registry.layers}

    @attrs.frozen
    class Beam(PolicyConfig):
        name: str = "beam"
        obs_shaper: object = layers["shaper"]()
        pool: object = layers["pool"]()
        scale: object = attrs.field(default=layers["scale"](times=2))
        running_sum: object = layers["running_sum"]()
        logit_table: object = layers["logit_table"](in_key="summed")
        action_head: object = layers["head"]()

    resolved = resolve(Beam(), env=env, registry=registry)
    assert resolved.to_mapping() == resolve(policy_file(), env=env, registry=registry).to_mapping()
    with pytest.raises(glulam.PolicyError, match=r"GL304 reads 'poled'[^$]*at Beam.scale.in_key, layer 'scale'"):
        resolve(Beam(scale=layers["scale"](in_key="poled")), env=env, registry=registry)
