"""Reports of noise, of hidden faults and of tracebacks, each of which was once true."""

import json
import os
import subprocess
import sys

import attrs
import pytest

import glulam
from glulam import PolicyError, resolve
from tests.core.faults.corpus import ENV
from tests.core.faults.strange import STRANGE

SMALL = """\
glulam: 1
name: small
obs_shaper: {layer: token_shaper, in_key: env_obs, out_key: tokens}
layers:
  - {layer: fourier_tokens, in_key: tokens, out_key: token_features, num_freqs: 4}
  - {layer: latent_attention, in_key: token_features, mask_key: token_mask, out_key: encoded}
  - {layer: lstm, in_key: encoded, out_key: core, hidden_size: 128, num_layers: 2}
  - {layer: linear_actor, in_key: core, out_key: logits}
  - {layer: value_head, in_key: core, out_key: values}
action_head: {layer: action_distribution, in_key: logits}
"""


def edit(*pairs):
    text = SMALL
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    return text


LAYERS = SMALL[SMALL.index("layers:") : SMALL.index("action_head")]
# The marks say where faults are expected, all with the codes beside them, in the order of the text.
CASES = {
    "no layers at all": (edit((LAYERS, "layers: []\n"), ("in_key: logits", "in_key: @logits")), ["GL304"]),
    "a layer for a head": (
        edit(("action_head: {layer: action_distribution,", "action_head: {layer: @activation, out_key: acts,")),
        ["GL104"],
    ),
    "a head for a layer": (
        edit(("layer: value_head, in_key: core, out_key: values", "layer: @action_distribution")),
        ["GL104"],
    ),
    "a lost key and a key from nowhere": (
        edit(("out_key: core", "out_key: @5"), ("linear_actor, in_key: core", "linear_actor, in_key: @qqqqqqqq")),
        ["GL104", "GL304"],
    ),
    "a kind with a hyphen": (edit(("layer: value_head", "layer: @value-head")), ["GL201"]),
    "a kind with a capital": (edit(("layer: lstm", "layer: @Lstm")), ["GL201"]),
    "a width that a default does not divide": (
        edit(("out_key: encoded}", "out_key: encoded, hidden_size: @30}")),
        ["GL403"],
    ),
    "text for a list": (
        edit(("- {layer: lstm", "- {layer: concat, keys: @encoded, out_key: joined}\n  - {layer: lstm")),
        ["GL104"],
    ),
    "a tag on a key": (edit(("num_freqs: 4", "@!!str num_freqs: 4")), ["GL107"]),
    "a huge integer": (edit(("num_layers: 2", "num_layers: @0x" + "f" * 4000)), ["GL107"]),
    "two that share with each other": (
        edit(
            ("- {layer: linear_actor", "- {layer: lstm, name: b, share: a, out_key: y}\n  - {layer: linear_actor"),
            ("- {layer: lstm, name: b", "- {layer: lstm, name: a, share: @b, out_key: x}\n  - {layer: lstm, name: b"),
        ),
        ["GL104"],
    ),
    "a width unlike that of key and owner": (
        edit(
            ("- {layer: linear_actor", "- {layer: lstm, name: a, out_key: x}\n  - {layer: linear_actor"),
            ("name: a, out_key: x", "name: a, share: lstm, in_dim: @64, in_key: core, out_key: x"),
        ),
        ["GL401"],
    ),
    "a class and another format": ("glulam: @7\nname: @5\npolicy: fast_class\n", ["GL104", "GL104"]),
    "a class with a number for its fields": ("glulam: 1\npolicy: fast_class\nconfig: @5\n", ["GL104"]),
    "a path that no file system holds": ("glulam: 1\nextends: @" + "x" * 300 + ".yaml\n", ["GL106"]),
}


@pytest.mark.parametrize("what", CASES)
def test_what_was_reported(what, tmp_path):
    text, codes = CASES[what]
    expected = []
    for code in codes:
        before, _, after = text.partition("@")
        expected.append((code, before.count("\n") + 1, len(before) - before.rfind("\n")))
        text = before + after
    (tmp_path / "policy.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(PolicyError) as caught:
        resolve(tmp_path / "policy.yaml", env=ENV)
    found = [(fault.code, fault.place.line, fault.place.column) for fault in caught.value.faults]
    assert found == expected, str(caught.value)


LOST = "glulam: 1\nextends: actor_critic.yaml\nobs_shaper: {layer: token_shaper}\n"
GROUP = "layers: [{layer: fourier_tokens}, {layer: latent_attention, num_heads: two}]"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        (f"insert: [{{before: memry, {GROUP}}}]", "GL106"),
        (f"insert: [{{befor: memory, {GROUP}}}]", "GL104"),
        (f"inset: [{{before: memory, {GROUP}}}]", "GL102"),
        (f"insert: [{{before: memory, {GROUP.replace('layers', 'layer')}}}]", "GL104"),
        (f"insert: {{before: memory, {GROUP}}}", "GL104"),
        (f"extends: nowhere.yaml\ninsert: [{{before: memory, {GROUP}}}]", "GL106"),
    ],
)
def test_a_lost_group_hides_nothing_and_is_one_fault(tmp_path, changes, code):
    folder = glulam.registry().policies["fast"].resource.parent
    (tmp_path / "actor_critic.yaml").write_text(
        (folder / "actor_critic.yaml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    head = LOST.replace("extends: actor_critic.yaml\n", "") if "extends" in changes else LOST
    (tmp_path / "policy.yaml").write_text(f"{head}{changes}\n", encoding="utf-8")
    with pytest.raises(PolicyError) as caught:
        resolve(tmp_path / "policy.yaml", env=ENV)
    found = {fault.code for fault in caught.value.faults}
    inside = [fault for fault in caught.value.faults if "num_heads" in fault.place.path]
    assert found <= {code, "GL104"}, str(caught.value)
    reads_as_list = "inset" not in changes and "insert: {" not in changes
    assert len(inside) == reads_as_list
    assert len(caught.value.faults) == 1 + reads_as_list, str(caught.value)


def test_a_chain_that_is_too_long(tmp_path):
    for number in range(60):
        (tmp_path / f"p{number}.yaml").write_text(f"glulam: 1\nextends: p{number + 1}.yaml\n", encoding="utf-8")
    with pytest.raises(PolicyError, match="GL106 a chain of over 50 policies"):
        resolve(tmp_path / "p0.yaml")


class TestPython:
    """Sources that are made in Python."""

    @pytest.mark.parametrize(
        ("source", "words"),
        [
            ({1: 2, "glulam": 1}, "GL104 a mapping's key is a word, found 1"),
            ({**STRANGE, "layers": [{None: 1, "layer": "zorp"}]}, "GL104 a mapping's key is a word, found None"),
            ("a\0.yaml", "GL107 cannot read the file"),
            ({**STRANGE, "extends": "fast", "set": {5: 1}, "layers": None}, "found 5"),
        ],
    )
    def test_odd_mappings(self, corpus, source, words):
        with pytest.raises(PolicyError) as caught:
            resolve(source, registry=corpus.registry)
        assert words in str(caught.value)

    def test_losses_that_are_none(self, corpus):
        with pytest.raises(PolicyError, match="GL104 a loss is a name, a mapping or a LossConfig, found 5"):
            resolve(STRANGE, registry=corpus.registry, losses=[5])
        assert len(resolve(STRANGE, registry=corpus.registry, losses="wants").losses) == 1

    def test_what_was_resolved_keeps_environment_and_losses(self, corpus):
        once = resolve(STRANGE, env=ENV, losses=["wants"], registry=corpus.registry)
        twice = resolve(once, registry=corpus.registry)
        assert (twice.env, twice.losses) == (ENV, once.losses)

    @pytest.mark.parametrize(
        ("attribute", "fields", "words"),
        [
            ("memory", {"hidden_size": 1.5}, "GL104 hidden_size: expected an integer, found 1.5"),
            ("memory", {"hidden_size": True}, "GL104 hidden_size: expected an integer, found True"),
            ("memory", {"skip": "yes"}, "GL104 skip: expected true or false, found 'yes'"),
            ("memory", {"in_key": None}, "GL104 in_key: expected a key, found None"),
            ("Encoder2", {}, "GL104 'Encoder2' is no layer name"),
        ],
    )
    def test_fields_of_another_type(self, attribute, fields, words):
        from glulam_heads.configs import ActionDistributionConfig, LinearActorConfig, ValueHeadConfig
        from glulam_memory.configs import LstmConfig
        from glulam_tokens.configs import BoxShaperConfig
        from glulam_vision.configs import CnnConfig

        layers = {
            "obs_shaper": BoxShaperConfig(),
            "cnn": CnnConfig(),
            attribute: LstmConfig(out_key="core", **{"in_key": "encoded", **fields}),
            "actor": LinearActorConfig(),
            "critic": ValueHeadConfig(),
            "action_head": ActionDistributionConfig(),
        }
        made = attrs.make_class(
            "Made", {n: attrs.field(default=v) for n, v in layers.items()}, bases=(glulam.PolicyConfig,)
        )
        with pytest.raises(PolicyError) as caught:
            resolve(made(), env=ENV)
        assert [fault.layer for fault in caught.value.faults] == [attribute], str(caught.value)
        assert words in str(caught.value)


PLUGIN = """
import glulam

@glulam.layer
class {name}(glulam.LayerConfig):
    in_key: str = glulam.reads("core", shape="D")
    out_key: str = glulam.writes("out", shape="{shape}")
    width: int = 3
    {body}
"""
ODD = {
    "exits": ("def __attrs_post_init__(self): raise SystemExit(0)", "D", "GL104", "SystemExit: 0"),
    "exits_later": ("@property\n    def shape(self): raise SystemExit(0)", "shape", "GL403", "shape: 0"),
    "wants_what_is_no_spec": (
        "def experience_spec(self): return {'out': 3}",
        "D",
        "GL502",
        "gives no TensorSpec for 'out'",
    ),
    "cannot_say": ("def experience_spec(self): return {}[1]", "D", "GL502", "experience_spec() raised KeyError"),
    "hides_its_types": ("inner: 'NotThere' = None", "D", "GL203", "whose annotations cannot be evaluated"),
    "takes_a_name": ("name: str = 'x'", "D", "GL203", "whose field 'name' has a name that an entry uses itself"),
}


@pytest.fixture
def odd(plugins, tmp_path):
    """Install a layer and run `glulam ...` beside it."""

    def run(body, shape, *arguments):
        plugins.add("odd", {"glulam.layers": {"odd": "Odd"}}, PLUGIN.format(name="Odd", body=body, shape=shape))
        policy = edit(("action_head:", "  - {layer: odd, in_key: core}\naction_head:"))
        (tmp_path / "policy.yaml").write_text(policy, encoding="utf-8")
        env = os.environ | {"PYTHONPATH": str(plugins.folder)}
        command = [sys.executable, "-c", "from glulam.cli import main; main()", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize("what", ODD)
def test_a_plugin_that_does_odd_things_is_a_fault(odd, what):
    body, shape, code, words = ODD[what]
    done = odd(body, shape, "check", "policy.yaml", "--format", "json")
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert [(fault["code"], fault["layer"]) for fault in report["faults"]] == [(code, "odd")], done.stdout
    assert words in report["faults"][0]["message"]


def test_what_a_config_prints_is_not_the_commands_output(odd):
    done = odd("def __attrs_post_init__(self): print('look at me')", "D", "resolve", "policy.yaml", "--format", "json")
    assert json.loads(done.stdout)["name"] == "small"
    assert "look at me" in done.stderr


def test_a_structural_config_keeps_its_fields(plugins, tmp_path):
    source = """
    class Sok:
        in_keys, out_keys = ("core",), ("sok",)
        def __init__(self, width=3): self.width = width
        def instantiate(self): raise AssertionError
    """
    plugins.add("sok", {"glulam.layers": {"sok": "Sok"}}, source)
    registry = glulam.Registry([str(plugins.folder), *sys.path])
    policy = edit(("action_head:", "  - {layer: sok, width: 7}\naction_head:"))
    (tmp_path / "policy.yaml").write_text(policy, encoding="utf-8")
    mapping = resolve(tmp_path / "policy.yaml", registry=registry).to_mapping()
    assert mapping["layers"][-1] == {"layer": "sok:sok", "name": "sok", "width": 7}
    assert resolve(mapping, registry=registry).layers[-1].config.width == 7


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("names: [stay]", "names: stay", "expected a list, found 'stay'"),
        ("view_height: 11", "view_height: 11.9", "expected an integer, found 11.9"),
        ("view_height: 11", "view_height: true", "expected an integer, found True"),
        ("count: 40", "count: -4", "tokens.count is -4; there is at least 1"),
        ("name: mine", "name: mine\nname: yours", "GL105 'name' appears twice"),
        ("name: mine", "name: 2001-99-99\n5: 3", "5"),
    ],
)
def test_environment_files_are_as_strict_as_policies(tmp_path, old, new, words):
    spec = "name: mine\ntokens: {count: 40}\nview_height: 11\nview_width: 11\nfeatures: []\nactions: {names: [stay]}\n"
    (tmp_path / "env.yaml").write_text(spec, encoding="utf-8")
    assert glulam.environment_spec(str(tmp_path / "env.yaml")).num_actions == 1
    assert old in spec
    (tmp_path / "env.yaml").write_text(spec.replace(old, new), encoding="utf-8")
    with pytest.raises(PolicyError) as caught:
        resolve("fast", env=str(tmp_path / "env.yaml"))
    assert words in str(caught.value)


def test_hundreds_of_broken_layers_and_missing_keys(corpus):
    layers = []
    for number in range(600):
        layers += [{"layer": f"unheard_{number}"}, {"layer": "quell", "name": f"q{number}", "inlet": f"in{number}"}]
    with pytest.raises(PolicyError) as caught:
        resolve({**STRANGE, "layers": layers}, registry=corpus.registry)
    assert len(caught.value.faults) >= 600
