"""Policies that build themselves: layer configs among their fields, in files, in checkpoints and in worlds."""

import importlib
import sys
from typing import Any

import attrs
import pytest
import torch

import glulam
from glulam import GlulamError, PolicyError, Registry, build, layer_config, load, resolve, save
from glulam.checkpoint import read_checkpoint
from glulam.structure import structure_fields
from tests.core.faults.corpus import spots
from tests.core.faults.texts import MARK, expected_places
from tests.core.moving import OLD, step_in

HEAD = "glulam: 1\nname: mine\npolicy: ensemble_class\nconfig:\n"


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "policy.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def ensemble():
    """Return the config of `ensemble_class` with another memory and two members."""
    cls = glulam.registry().policies.find("ensemble_class").load()
    memory = layer_config("gru", in_dim=128, out_key="core", bias_init=0.5)
    return cls(members=2, memory=memory)


class TestFile:
    def test_a_nested_entry_is_a_layer_config(self, file, ensemble):
        text = HEAD + "  members: 2\n  memory: {layer: gru, in_dim: 128, out_key: core, bias_init: 0.5}\n"
        resolved = resolve(file(text), env=OLD)
        assert (resolved.name, resolved.custom) == ("mine", ensemble)
        assert [(part.name, part.kind) for part in resolved.parts if part.name in ("memory", "encoder")] == [
            ("encoder", "glulam-attention:latent_attention"), ("memory", "glulam-memory:gru"),
        ]  # fmt: skip
        entry = resolved.to_mapping()["config"]["memory"]
        assert entry["layer"] == "glulam-memory:gru"
        assert "name" not in entry
        assert resolve(resolved.to_mapping()).custom == ensemble
        assert build(file(text), OLD).memory.weight_hh_l0.shape == (3 * 128, 128)

    @pytest.mark.parametrize(
        ("config", "code", "words"),
        [
            (f"encoder: {{layer: {MARK}latent_atention, in_dim: 27}}", "GL201", "write 'latent_attention'"),
            (f"encoder: {{layer: latent_attention, in_dim: 27, {MARK}num_querys: 2}}", "GL102", "write 'num_queries'"),
            (f"encoder: {{layer: latent_attention, in_dim: {MARK}wide}}", "GL104", "in_dim: expected an integer"),
            (f"encoder: {{layer: latent_attention, in_dim: 27, num_heads: {MARK}5}}", "GL403", "not divisible by"),
            (f"encoder: {{layer: latent_attention, in_dim: 27, {MARK}name: x}}", "GL102", "unknown field 'name'"),
            (f"encoder: {MARK}{{in_dim: 27}}", "GL104", "encoder is {'in_dim': 27}, no layer config"),
            (f"encoder: {MARK}3", "GL104", "encoder is 3, no layer config"),
            (f"members: {MARK}0", "GL104", "'members' must be >= 1: 0"),
            (f"members: {MARK}two", "GL104", "members: expected an integer, found 'two'"),
            (f"{MARK}membrs: 2", "GL102", "write 'members'"),
        ],
    )
    def test_a_mistake_is_reported_where_it_stands_and_nothing_else(self, file, config, code, words):
        places, text = expected_places(f"{HEAD}  {config}\n")
        with pytest.raises(PolicyError) as caught:
            resolve(file(text), env=OLD)
        assert spots(caught.value.faults) == [(code, places[MARK])]
        assert words in str(caught.value)

    def test_mistakes_in_several_entries_come_together(self, file):
        text = HEAD + "  memory: {layer: gruu}\n  encoder: {layer: latent_attention, in_dim: wide}\n  membrs: 2\n"
        with pytest.raises(PolicyError) as caught:
            resolve(file(text + "layers: []\n"), env=OLD)
        found = {fault.code: fault.place.path for fault in caught.value.faults if fault.code != "GL102"}
        assert found == {"GL201": "$.config.memory.layer", "GL104": "$.config.encoder.in_dim"}
        unknown = [fault.place.path for fault in caught.value.faults if fault.code == "GL102"]
        assert sorted(unknown) == ["$.config.membrs", "$.layers"]

    def test_what_is_no_class_or_no_mapping(self, file):
        with pytest.raises(PolicyError, match=r"3:1: GL104 not a Python policy(.|\n)*write 'extends' for 'policy'"):
            resolve(file("glulam: 1\nname: mine\npolicy: fast\n"))
        with pytest.raises(PolicyError, match="3:9: GL201 unknown policy 'fast_clas'"):
            resolve(file("glulam: 1\nname: mine\npolicy: fast_clas\n"))
        with pytest.raises(PolicyError, match=r"5:3: GL104 config is \[3\], no mapping"):
            resolve(file(HEAD + "  - 3\n"))


class TestCheckpoint:
    @pytest.fixture
    def saved(self, ensemble, tmp_path):
        torch.manual_seed(1)
        policy = build(ensemble, OLD)
        save(policy, tmp_path / "policy.safetensors")
        return policy, tmp_path / "policy.safetensors"

    def test_nested_configs_come_back(self, saved, ensemble):
        policy, path = saved
        again = load(path)
        assert again.resolved.custom == ensemble
        assert again.memory.weight_hh_l0.shape == (3 * 128, 128)
        assert len(again.encoders) == 2
        torch.manual_seed(0)
        expected = policy(step_in(OLD))
        torch.manual_seed(0)
        found = again(step_in(OLD))
        for key in ("actions", "act_log_prob", "logits", "values"):
            assert torch.equal(found[key], expected[key])

    def test_the_lock_names_whoever_supplied_a_part(self, saved):
        lock = read_checkpoint(saved[1]).header["lock"]["distributions"]
        parts = ("attention", "heads", "memory", "policies", "tokens")
        assert lock == {f"glulam-{name}": "0.1.0" for name in parts}

    def test_a_part_of_another_version_is_drift(self, saved, monkeypatch):
        registry = glulam.Registry.installed()
        for item in registry.distributions:
            if item.name == "glulam-memory":
                monkeypatch.setattr(registry, "distributions", [
                    attrs.evolve(other, version="9.9") if other is item else other for other in registry.distributions
                ])  # fmt: skip
        with pytest.raises(GlulamError, match=r"was saved with glulam-memory 0.1.0, here is 9.9"):
            load(saved[1], registry=registry)

    def test_a_part_that_no_file_can_name_is_refused_before_anything_is_written(self, ensemble, tmp_path):
        policy = build(attrs.evolve(ensemble, memory=Own()), OLD)
        with pytest.raises(GlulamError) as caught:
            save(policy, tmp_path / "policy.safetensors")
        assert str(caught.value) == (
            "layer 'memory' is a Own, which no installed distribution registers; "
            "give it an entry point in the group 'glulam.layers', so that files can name it"
        )
        assert list(tmp_path.iterdir()) == []

    def test_nor_is_a_policy_that_none_can_name(self, tmp_path):
        policy = build(Sized(), OLD)
        with pytest.raises(GlulamError, match=r"policy 'sized' is not registered under 'glulam.policies'"):
            save(policy, tmp_path / "policy.safetensors")


@glulam.layer
class Own(glulam.LayerConfig):
    """A memory that is registered nowhere."""

    in_key: str = glulam.reads("x")
    out_key: str = glulam.writes("core")

    def build(self):
        return layer_config("gru", in_dim=128).build()


@attrs.frozen(kw_only=True)
class Sized(glulam.PolicyConfig):
    """A policy class with fields that take from the environment, one of them of a layer config."""

    name: str = "sized"
    width: int | None = glulam.from_env("vocabulary_size")
    box: object = glulam.layer_field("box_shaper")

    def build_policy(self, resolved):
        return SizedPolicy(resolved, self)


class SizedPolicy(glulam.Policy):
    def __init__(self, resolved, config):
        super().__init__(resolved)
        self.out_keys = ["logits"]
        self.box = config.box.instantiate(self.env.obs_meta()).module
        self.map = torch.nn.Linear(config.width, 3)
        self.action_head = layer_config("action_distribution").instantiate()

    def compute(self, inputs, recur):
        return {"logits": self.map(self.box(inputs["env_obs"]).sum((2, 3)))}


class TestFromEnvironment:
    """What a field takes from the first world stays, in whatever world the policy is built again."""

    def test_fields_are_complete_where_there_is_an_environment(self):
        assert resolve(Sized()).custom.width is None
        complete = resolve(Sized(), env=OLD).custom
        assert (complete.width, complete.box.num_channels) == (7, 7)
        short = attrs.evolve(OLD, features=OLD.features[:1])
        assert resolve(complete, env=short).custom == complete
        assert resolve(Sized(width=9), env=OLD).custom.width == 9

    def test_the_policy_is_built_with_them_in_a_smaller_world_too(self):
        policy = build(Sized(), OLD)
        short = attrs.evolve(OLD, name="short", features=OLD.features[:2])
        expected = build(policy.resolved.custom, short)
        expected.load_state_dict(policy.state_dict())
        policy.initialize_to_environment(short)
        expected.initialize_to_environment(short)
        assert expected.map.weight.shape == (3, 7)
        td = step_in(short)
        assert torch.equal(policy.evaluate(td)["logits"], expected.evaluate(td)["logits"])

    def test_a_world_that_has_no_such_thing_is_named(self):
        pole = glulam.EnvSpec(name="pole", box=glulam.BoxLayout(shape=(3,)), actions=OLD.actions)
        with pytest.raises(GlulamError, match=r"'pole' shows numbers and no tokens, so it has no env\.vocabulary_size"):
            resolve(Sized(), env=pole)


class TestLayerField:
    def test_layer_config_names_what_is_not_there(self):
        assert layer_config("glulam-memory:gru", in_dim=3) == layer_config("gru", in_dim=3)
        with pytest.raises(GlulamError, match="unknown layer 'gruu'"):
            layer_config("gruu")
        with pytest.raises(TypeError, match="unexpected keyword argument 'in_dmi'"):
            layer_config("gru", in_dmi=3)
        with pytest.raises(ValueError, match="'hidden_size' must be > 0"):
            layer_config("gru", hidden_size=0)

    def test_a_field_is_made_when_it_is_needed(self):
        """A class whose plugin is missing can be imported, and used with another layer."""

        @attrs.frozen(kw_only=True)
        class Lost(glulam.PolicyConfig):
            name: str = "lost"
            memory: object = glulam.layer_field("no_such_layer", width=3)

        with pytest.raises(GlulamError, match="unknown layer 'no_such_layer'"):
            Lost()
        gru = layer_config("gru")
        assert Lost(memory=gru).memory is gru
        with pytest.raises(TypeError, match="memory is 3, no layer config"):
            Lost(memory=3)


class TestReExported:
    """Classes that an entry point names in another module than the one that they live in."""

    CONFIGS = """
    from typing import Any

    import attrs
    import glulam

    @glulam.layer
    class Scale(glulam.LayerConfig):
        in_key: str = glulam.reads("core", shape="in_dim")
        out_key: str = glulam.writes("core", shape="in_dim")
        in_dim: int | None = None

        def build(self):
            import torch

            return torch.nn.Linear(self.in_dim, self.in_dim)

    @attrs.frozen(kw_only=True)
    class Whole(glulam.PolicyConfig):
        name: str = "whole"
        bias: Any = glulam.layer_field("factor", in_dim=3, out_key="logits")

        def build_policy(self, resolved):
            import torch

            class Policy(glulam.Policy):
                def __init__(self, resolved, bias):
                    super().__init__(resolved)
                    self.out_keys = ["logits"]
                    self.bias = bias.instantiate()
                    self.action_head = glulam.layer_config("action_distribution").instantiate()

                def compute(self, inputs, recur):
                    zeros = torch.zeros(len(inputs["env_obs"]), 3)
                    return {"logits": self.bias.module(zeros)}

            return Policy(resolved, self.bias)
    """

    @pytest.fixture
    def configs(self, plugins):
        """Install them and return the module that they live in, which nobody else has imported."""
        where = plugins.add("configs", {}, self.CONFIGS)
        points = {"glulam.layers": {"factor": "Factor"}, "glulam.policies": {"whole": "Names.Whole"}}
        source = f"from {where} import Scale as Factor\nclass Names:\n    from {where} import Whole"
        plugins.public = plugins.add("again", points, source)
        return importlib.import_module(where)

    def test_a_policy_and_its_layer_are_saved_and_loaded(self, configs, plugins, tmp_path):
        importlib.import_module(plugins.public)
        policy = build(configs.Whole(), OLD)
        assert policy.resolved.custom_kind == "again:whole"
        assert [(part.kind, part.distribution) for part in policy.resolved.parts] == [("again:factor", "again")]
        save(policy, tmp_path / "policy.safetensors")
        again = load(tmp_path / "policy.safetensors")
        assert torch.equal(again.bias.module.bias, policy.bias.module.bias)
        assert set(read_checkpoint(tmp_path / "policy.safetensors").header["lock"]["distributions"]) == {"again"}

    def test_a_layer_given_by_name_needs_no_import(self, configs):
        assert Registry().layers.entry_of(configs.Scale) is None
        assert type(layer_config("factor")) is configs.Scale
        assert Registry().layers.entry_of(configs.Scale).qualified == "again:factor"

    def test_nothing_is_imported_to_find_it(self, configs, plugins):
        assert Registry().policies.entry_of(configs.Whole) is None
        assert plugins.public not in sys.modules

    def test_a_class_of_the_same_name_is_another(self, configs, plugins):
        importlib.import_module(plugins.public)

        @glulam.layer
        class Scale(glulam.LayerConfig):
            """Registered nowhere."""

        assert Registry().layers.entry_of(Scale) is None


@pytest.mark.parametrize("annotation", ["object", "glulam.LayerConfig", "Any", "glulam.LayerConfig | None"])
def test_a_layer_stands_in_a_field_of_any_type(annotation):
    """What is trained with such a field is loaded again: it is the validator of `layer_field` that judges."""

    class Holder(glulam.PolicyConfig):
        core = glulam.layer_field("gru")

    Holder.__annotations__ = {"core": eval(annotation, {"glulam": glulam, "Any": Any, "object": object})}  # noqa: S307
    given = layer_config("gru", hidden_size=3)
    config, problems = structure_fields(glulam.layer(Holder), {"core": given})
    assert (problems, config.core) == ([], given)
