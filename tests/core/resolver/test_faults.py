"""What a fault says, and what becomes of faults that come together; the corpus is in tests/core/faults."""

from textwrap import dedent

import attrs
import pytest

import glulam
from glulam import Fault, PolicyError, resolve
from glulam.faults import Place


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
          rule: a key that is read is written by the environment or by a layer
          try: write 'pooled'

        1 fault"""
    assert str(caught.value) == dedent(expected)


def test_faults_of_different_layers_come_together_and_alone(policy_file, registry):
    text = policy_file().read_text().replace("times: 2", "tims: 2").replace("layer: pool", "layer: pol")
    with pytest.raises(PolicyError) as caught:
        resolve(policy_file(text), registry=registry)
    assert [fault.code for fault in caught.value.faults] == ["GL201", "GL102"]


def test_two_claims_are_an_error_and_a_qualified_name_decides(policy_file, plugins, registry):
    from tests.core.conftest import BOARDS

    plugins.add("planks", {"glulam.layers": {"scale": "Scale"}}, BOARDS)
    with pytest.raises(PolicyError, match="GL202 layer 'scale' is claimed by boards 1.0 and planks 1.0") as caught:
        resolve(policy_file(), registry=plugins.registry)
    assert "write 'boards:scale' or 'planks:scale'" in str(caught.value)
    text = policy_file().read_text().replace("layer: scale", "layer: planks:scale")
    resolved = resolve(policy_file(text), registry=plugins.registry)
    assert [layer.distribution for layer in resolved.layers] == ["boards", "planks", "boards", "boards"]


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


class TestText:
    """How a fault looks: the caret under the place, whatever stands before it."""

    def _fault(self, line, column):
        place = Place(path="$.x", file="f.yaml", line=3, column=column, source_line=line)
        return str(Fault(code="GL104", message="found", remedy="mend it", place=place)).split("\n")

    def test_tabs_stay_tabs(self):
        assert self._fault("\tab: \tx", 6)[1:3] == ["    \tab: \tx", "    \t    \t^"[:-2] + "^"]

    def test_a_long_line_is_shown_around_the_place(self):
        _, shown, caret, *_ = self._fault("a" * 500 + "X" + "b" * 500, 501)
        assert shown[caret.index("^")] == "X"
        assert (shown[:8], shown[-4:]) == ("    ... ", " ...")
        assert len(shown) < 130

    def test_a_code_of_a_plugin_has_no_rule(self):
        assert Fault(code="GL650", message="m", remedy="r").rule is None
        assert Fault(code="GL303", message="m", remedy="r").rule == "a key is written before it is read"


class TestOrder:
    """GL303 and GL305 on larger policies: one fault for one layer in the wrong place, and an order that works."""

    def _text(self, lines):
        head = "glulam: 1\nobs_shaper: {layer: shaper}\nlayers:\n  - {layer: pool, out_key: k0}\n"
        return head + "".join(f"  - {line}\n" for line in lines) + "action_head: {layer: head}\n"

    def _faults(self, lines, registry, policy_file):
        with pytest.raises(PolicyError) as caught:
            resolve(policy_file(self._text(lines)), registry=registry)
        return caught.value.faults

    def _scale(self, name, reads, writes):
        return f"{{layer: scale, name: {name}, in_key: {reads}, out_key: {writes}}}"

    def test_a_layer_moved_behind_all_its_readers_is_one_fault(self, registry, policy_file):
        readers = [self._scale(f"r{n}", "late", f"out{n}") for n in range(3)]
        (fault,) = self._faults(
            [*readers, self._scale("late", "k0", "late"), "{layer: logit_table, in_key: out0}"], registry, policy_file
        )
        assert (fault.code, fault.layer, fault.place.line) == ("GL303", "r0", 5)
        assert fault.message == "reads 'late' before layer 'late' (line 8) writes it; so do: r1, r2"
        assert fault.remedy == "order the layers: pool, late, r0, r1, r2, logit_table"

    def test_following_the_remedy_mends_the_policy(self, registry, policy_file):
        lines = {
            "a": self._scale("a", "kb", "ka"), "b": self._scale("b", "kc", "kb"), "c": self._scale("c", "k0", "kc"),
            "logit_table": "{layer: logit_table, in_key: ka}",
        }  # fmt: skip
        faults = self._faults(lines.values(), registry, policy_file)
        assert [fault.code for fault in faults] == ["GL303", "GL303"]
        order = faults[0].remedy.removeprefix("order the layers: pool, ").split(", ")
        assert sorted(order) == sorted(lines)
        assert resolve(policy_file(self._text(lines[name] for name in order)), registry=registry)

    def test_a_circle_beside_a_swap_and_a_ring_in_itself(self, registry, policy_file):
        faults = self._faults(
            [
                self._scale("a", "kc", "ka"), self._scale("b", "ka", "kb"), self._scale("c", "kb", "kc"),
                self._scale("x", "ky", "kx"), self._scale("y", "k0", "ky"), self._scale("z", "kz", "kz"),
                "{layer: logit_table, in_key: kx}",
            ],
            registry, policy_file,
        )  # fmt: skip
        assert [(fault.code, fault.layer) for fault in faults] == [("GL305", "a"), ("GL303", "x"), ("GL305", "z")]
        assert "in a circle: a -> b -> c -> a" in faults[0].message
        assert faults[2].message == "reads 'kz', which it writes itself"

    def test_what_only_the_head_or_no_order_can_give(self, registry, policy_file):
        (fault,) = self._faults(
            [self._scale("a", "act_log_prob", "ka"), "{layer: logit_table, in_key: k0}"], registry, policy_file
        )
        assert (fault.code, fault.remedy) == ("GL303", "the action head runs last: read a key that a layer writes")
