"""Broken policies: each mutation of the good one names its code, the text that must be under the caret, and words."""

import re
from textwrap import dedent

import attrs
import pytest

import glulam
from glulam import PolicyError, resolve
from glulam.index import Index, Row

# The expected place is found by searching the mutated text for this marker, which is then removed.
MARK = "<<>>"

MUTATIONS = {
    "not YAML": ("layers:\n", "layers: [\n", None, ["GL101"], "not YAML"),
    "unknown field": ("times: 2", f"{MARK}time: 2", "time", ["GL102"], "write 'times'"),
    "unknown section": ("name: beam", f"name: beam\n{MARK}lyers: []", "lyers", ["GL102"], "write 'layers'"),
    "missing layer": ("{layer: pool, ", f"{MARK}{{", None, ["GL103"], "add 'layer: NAME'"),
    "no version": ("glulam: 1\n", "", None, ["GL103"], "start with 'glulam: 1'"),
    "no action head": ("action_head: {layer: head, in_key: logits}\n", "", None, ["GL103"], "no action head"),
    "float for int": ("times: 2", f"times: {MARK}10.7", "10.7", ["GL104"], "expected an integer, found 10.7"),
    "bool for int": ("times: 2", f"times: {MARK}true", "true", ["GL104"], "expected an integer, found True"),
    "word for int": ("times: 2", f"times: {MARK}two", "two", ["GL104"], "expected an integer, found 'two'"),
    "NaN": ("times: 2", f"factor: {MARK}.nan", ".nan", ["GL104"], "expected a finite number, found nan"),
    "out of range": ("times: 2", f"times: {MARK}0", "0", ["GL104"], "'times' must be > 0: 0"),
    "number for key": ("in_key: pooled", f"in_key: {MARK}3", "3", ["GL104"], "expected a key, found 3"),
    "wrong version": ("glulam: 1", f"glulam: {MARK}2", "2", ["GL104"], "format 2; this glulam reads format 1"),
    "a layer is no shaper": ("{layer: shaper}", f"{{layer: {MARK}pool}}", "pool", ["GL104"], "is no observation"),
    "a shaper is no layer": ("layer: pool,", f"layer: {MARK}shaper,", "shaper", ["GL104"], "under 'obs_shaper'"),
    "duplicate YAML key": ("times: 2", f"times: 2, {MARK}times: 3", "times", ["GL105"], "appears twice"),
    "unknown layer": ("layer: scale", f"layer: {MARK}scael", "scael", ["GL201"], "write 'scale'"),
    "layer written twice": (
        "  - {layer: scale, in_key: pooled, out_key: scaled, times: 2}\n",
        (
            "  - {layer: scale, in_key: pooled, out_key: scaled, times: 2}\n"
            f"  - {MARK}{{layer: scale, in_key: pooled, out_key: scaled, times: 2}}\n"
        ),
        None,
        ["GL301"],
        "add 'name: scale_2'",
    ),
    "key written twice": (
        "out_key: scaled",
        f"out_key: {MARK}pooled",
        "pooled",
        ["GL302"],
        "which layer 'pool' writes already",
    ),
    "environment key": (
        "out_key: pooled",
        f"out_key: {MARK}rewards",
        None,
        ["GL302", "GL304"],
        "the environment writes",
    ),
    "swapped order": (
        (
            "  - {layer: pool, in_key: tokens, out_key: pooled}\n"
            "  - {layer: scale, in_key: pooled, out_key: scaled, times: 2}\n"
        ),
        (
            f"  - {{layer: scale, in_key: {MARK}pooled, out_key: scaled, times: 2}}\n"
            "  - {layer: pool, in_key: tokens, out_key: pooled}\n"
        ),
        "pooled",
        ["GL303"],
        "order the layers: pool, scale, running_sum, logit_table",
    ),
    "misspelt key": ("in_key: pooled", f"in_key: {MARK}poled", "poled", ["GL304"], "write 'pooled'"),
    "cycle": ("in_key: tokens", f"in_key: {MARK}summed", "summed", ["GL305"], "no order of the layers exists"),
    "wrong rank": ("in_key: pooled", f"in_key: {MARK}tokens", None, ["GL401"], "reads 'tokens' as [in_dim]"),
    "wrong width": ("times: 2", "times: 2, in_dim: 5", None, ["GL401"], "as [5], but pool writes [3]"),
    "wrong dtype": ("in_key: pooled", f"in_key: {MARK}dones", "dones", ["GL402"], "as float, but the environment"),
    "varying width": (
        "  - {layer: scale, in_key: pooled,",
        f"  - {{layer: first}}\n  - {{layer: scale, in_key: {MARK}firsts,",
        "firsts",
        ["GL403"],
        "in_dim cannot be inferred from 'firsts': its dim obs_shaper.N varies at run time",
    ),
    "property raises": ("times: 2", "times: 101", None, ["GL403"], "out_dim: times 101 is over 100"),
    "no shaper": ("obs_shaper: {layer: shaper}\n", "", None, ["GL304", "GL504"], "no observation shaper"),
}


@pytest.mark.parametrize("what", MUTATIONS)
def test_each_mutation_is_reported_with_code_place_and_remedy(what, policy_file, registry, env):
    old, new, marked, codes, words = MUTATIONS[what]
    good = policy_file().read_text(encoding="utf-8")
    assert old in good
    text = good.replace(old, new, 1)
    path = policy_file(text.replace(MARK, ""))
    with pytest.raises(PolicyError) as caught:
        resolve(path, env=env, registry=registry)
    assert sorted(fault.code for fault in caught.value.faults) == codes, str(caught.value)
    assert words in str(caught.value)
    if marked is not None:
        line, column = _find(text)
        fault = caught.value.faults[0]
        assert (fault.place.line, fault.place.column) == (line, column)
        assert fault.place.source_line[column - 1 :].startswith(marked)


def test_the_good_policy_has_no_faults_with_or_without_an_environment(policy_file, registry, env):
    assert resolve(policy_file(), registry=registry).env is None
    assert resolve(policy_file(), env=env, registry=registry).env == env


def test_a_fault_prints_file_line_caret_path_layer_owner_and_remedy(policy_file, registry):
    path = policy_file(policy_file().read_text().replace("in_key: pooled", "in_key: poled"))
    with pytest.raises(PolicyError) as caught:
        resolve(path, registry=registry)
    expected = f"""\
        {path}:6:28: GL304 reads 'poled', which nothing writes
              - {{layer: scale, in_key: poled, out_key: scaled, times: 2}}
                                       ^
          at $.layers[1].in_key, layer 'scale' from boards 1.0
          try: write 'pooled'

        1 fault"""
    assert str(caught.value) == dedent(expected)


def test_faults_of_different_layers_come_together_and_alone(policy_file, registry):
    text = policy_file().read_text().replace("times: 2", "tims: 2").replace("layer: pool", "layer: pol")
    with pytest.raises(PolicyError) as caught:
        resolve(policy_file(text), registry=registry)
    assert [fault.code for fault in caught.value.faults] == ["GL201", "GL102"]


def test_an_unknown_layer_in_the_index_says_how_to_install_it(policy_file, registry):
    registry.index = Index(
        {"far-away": Row(summary="far", source="https://far.example/away.whl", offers={"layers": ("teleport",)})}
    )
    text = policy_file().read_text().replace("layer: scale", "layer: teleport")
    with pytest.raises(
        PolicyError, match=re.escape("pip install https://far.example/away.whl  # it comes with far-away")
    ):
        resolve(policy_file(text), registry=registry)


def test_two_claims_are_an_error_and_a_qualified_name_decides(policy_file, plugins, registry):
    from tests.core.conftest import BOARDS

    plugins.add("planks", {"glulam.layers": {"scale": "Scale"}}, BOARDS)
    with pytest.raises(PolicyError, match="GL202 layer 'scale' is claimed by boards and planks") as caught:
        resolve(policy_file(), registry=plugins.registry)
    assert "write 'boards:scale' or 'planks:scale'" in str(caught.value)
    text = policy_file().read_text().replace("layer: scale", "layer: planks:scale")
    resolved = resolve(policy_file(text), registry=plugins.registry)
    assert [layer.distribution for layer in resolved.layers] == ["boards", "planks", "boards", "boards"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def (", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("x = 1", "has no attribute 'Broken'"),
    ],
)
def test_a_broken_plugin_is_one_fault_and_hurts_nobody_else(source, words, policy_file, plugins, registry):
    plugins.add("broken", {"glulam.layers": {"broken": "Broken"}}, source)
    resolve(policy_file(), registry=plugins.registry)
    text = policy_file().read_text().replace("layer: scale", "layer: broken")
    with pytest.raises(PolicyError, match="GL203 broken:broken") as caught:
        resolve(policy_file(text), registry=plugins.registry)
    assert words in str(caught.value)
    assert len(caught.value.faults) == 1


def test_a_plugin_of_another_protocol_is_refused(policy_file, plugins, registry):
    source = "import glulam\n\nclass Old(glulam.LayerConfig):\n    protocol = 0\n"
    plugins.add("old", {"glulam.layers": {"old": "Old"}}, source)
    text = policy_file().read_text().replace("layer: scale", "layer: old")
    with pytest.raises(PolicyError, match="GL204 old:old speaks layer protocol 0, this glulam speaks 1"):
        resolve(policy_file(text), registry=plugins.registry)


@glulam.layer
class WantsMask(glulam.LayerConfig):
    mask_key: str = glulam.reads("action_mask", dtype="bool", shape="env.num_actions")
    out_key: str = glulam.writes("masked", shape="env.num_actions")


def test_an_input_that_the_environment_lacks_is_named(plugins, policy_file, registry, env):
    plugins.add("masks", {"glulam.layers": {"mask": "WantsMask"}}, "from tests.core.resolver.test_faults import *")
    line = "layers:\n  - {layer: mask}\n"
    path = policy_file(policy_file().read_text().replace("layers:\n", line))
    resolve(path, registry=plugins.registry)
    resolve(path, registry=plugins.registry, env=attrs.evolve(env, optional_inputs=("action_mask",)))
    with pytest.raises(PolicyError, match="GL503 reads 'action_mask', which the environment does not offer"):
        resolve(path, registry=plugins.registry, env=env)


@attrs.frozen(kw_only=True)
class NeedsKey(glulam.LossConfig):
    key: str = glulam.reads("valuse")


def test_a_loss_whose_key_nothing_writes_fails_before_training(policy_file, registry, env):
    with pytest.raises(PolicyError, match="GL501 loss NeedsKey needs 'valuse'.*which nothing writes") as caught:
        resolve(policy_file(), env=env, losses=[NeedsKey()], registry=registry)
    assert "write 'values'" in str(caught.value)
    assert resolve(policy_file(), losses=[NeedsKey(key="values")], registry=registry).losses[0].key == "values"


def test_unknown_names_of_policies_and_losses(registry, policy_file):
    with pytest.raises(PolicyError, match="GL201 unknown policy 'fst'"):
        resolve("fst", registry=registry)
    with pytest.raises(PolicyError, match="GL201 unknown loss 'pp'"):
        resolve(policy_file(), losses=["pp"], registry=registry)
    with pytest.raises(PolicyError, match="GL107 cannot read the file"):
        resolve("nowhere.yaml", registry=registry)


def _find(text: str) -> tuple[int, int]:
    before = text[: text.index(MARK)]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
