"""Checkpoints: whole or not at all, and never an untrained policy."""

import copy
import json
import os
import struct
from unittest.mock import Mock

import attrs
import pytest
import torch

import glulam
from glulam import GlulamError, build, load, save
from glulam.checkpoint import read_checkpoint
from tests.core.conftest import POLICY
from tests.core.moving import NAMES, NEW, OLD, step_in
from tests.core.test_policy import random_obs, step_of


def test_a_policy_comes_back_as_it_was(policy, saved, registry):
    again = load(saved, registry=registry)
    obs = random_obs(4)
    torch.testing.assert_close(again(step_of(obs))["values"], policy(step_of(obs))["values"])
    assert again.layers["logit_table"].module.weight.item() == 3.5
    assert again.resolved.to_mapping() == policy.resolved.to_mapping()


def test_equal_policies_give_equal_files_and_memory_is_not_saved(policy, saved, tmp_path):
    policy(step_of(random_obs(4)))
    save(policy, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == saved.read_bytes()


def test_others_may_read_the_file_as_the_umask_says(policy, tmp_path):
    old = os.umask(0o027)
    try:
        save(policy, tmp_path / "shared.safetensors")
    finally:
        os.umask(old)
    assert (tmp_path / "shared.safetensors").stat().st_mode & 0o777 == 0o640


def test_the_header_says_what_it_was_made_with(saved, env):
    checkpoint = read_checkpoint(saved)
    assert checkpoint.env == env
    assert checkpoint.header["lock"] == {"protocol": 1, "distributions": {"boards": "1.0"}}
    assert checkpoint.header["source"]["layers"][1]["times"] == 2


def test_another_environment_is_followed(saved, registry, env):
    more = attrs.evolve(env, actions=glulam.ActionSpec(names=("stay", "left", "right", "jump")))
    again = load(saved, more, registry=registry)
    assert again(step_of(random_obs(2)))["logits"].shape == (2, 4)


@pytest.mark.parametrize("keep", [0.3, 0.9, 0.999])
def test_a_file_cut_off_is_refused(saved, registry, keep):
    data = saved.read_bytes()
    saved.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(GlulamError, match="is cut off or no checkpoint"):
        load(saved, registry=registry)


def test_a_flipped_bit_is_refused_wherever_it_is(saved, registry):
    data = bytearray(saved.read_bytes())
    data[-2] ^= 1
    saved.write_bytes(data)
    with pytest.raises(GlulamError, match="was altered since it was saved"):
        load(saved, registry=registry)


def test_an_altered_header_is_refused(saved, registry):
    data = saved.read_bytes()
    saved.write_bytes(data.replace(b'\\"toy\\"', b'\\"tox\\"', 1))
    assert saved.read_bytes() != data
    with pytest.raises(GlulamError, match="was altered since it was saved"):
        load(saved, registry=registry)


def test_files_of_other_kinds_are_refused(tmp_path, registry):
    from safetensors.torch import save_file

    with pytest.raises(GlulamError, match="there is no checkpoint"):
        load(tmp_path / "nothing.safetensors", registry=registry)
    save_file({"x": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(GlulamError, match="is no glulam checkpoint"):
        load(tmp_path / "other.safetensors", registry=registry)
    header = json.dumps({"__metadata__": {"glulam": json.dumps({"format": 99})}}).encode()
    (tmp_path / "future.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(GlulamError, match="has checkpoint format 99; this glulam reads format 1"):
        load(tmp_path / "future.safetensors", registry=registry)


def test_a_policy_in_a_compiled_wrapper_is_saved_as_itself(policy, saved, policy_file, registry, env, tmp_path):
    """`torch.compile(policy)`; `policy.compile()` wraps nothing."""
    wrapped = torch.compile(policy, backend="eager")
    save(wrapped, tmp_path / "wrapped.safetensors")
    assert (tmp_path / "wrapped.safetensors").read_bytes() == saved.read_bytes()
    assert load(tmp_path / "wrapped.safetensors", registry=registry).layers["logit_table"].module.weight.item() == 3.5
    fresh = build(policy_file(), env, registry=registry)
    glulam.warm_start(torch.compile(fresh, backend="eager"), saved, registry=registry)
    assert fresh.layers["logit_table"].module.weight.item() == 3.5


def test_an_unwritable_place_leaves_the_old_file_and_nothing_half_written(policy, saved, tmp_path, monkeypatch):
    before = saved.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(GlulamError, match="cannot write .*: No space left on device"):
        save(policy, saved)
    assert saved.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".policy")] == []
    with pytest.raises(GlulamError, match="cannot write .*nowhere.*: No such file or directory"):
        save(policy, tmp_path / "nowhere" / "policy.safetensors")


class TestWarmStart:
    def test_the_layers_that_are_named_take_the_weights(self, saved, policy_file, registry, env):
        fresh = build(policy_file(), env, registry=registry)
        glulam.warm_start(fresh, saved, ["logit_table"], registry=registry)
        assert fresh.layers["logit_table"].module.weight.item() == 3.5

    def test_without_names_all_do(self, saved, policy, policy_file, registry, env):
        fresh = build(policy_file(), env, registry=registry)
        glulam.warm_start(fresh, saved, registry=registry)
        obs = random_obs(4)
        torch.testing.assert_close(fresh(step_of(obs))["logits"], policy(step_of(obs))["logits"])

    def test_a_layer_that_is_not_there_is_named(self, saved, policy_file, registry, env):
        fresh = build(policy_file(), env, registry=registry)
        with pytest.raises(GlulamError, match="only: policy 'beam' has no layer 'logits'; there are: "):
            glulam.warm_start(fresh, saved, ["logits"], registry=registry)

    def test_one_layer_may_be_given_by_its_name_alone(self, saved, policy_file, registry, env):
        fresh = build(policy_file(), env, registry=registry)
        with pytest.raises(GlulamError, match="only: policy 'beam' has no layer 'logits'; there are: "):
            glulam.warm_start(fresh, saved, "logits", registry=registry)
        glulam.warm_start(fresh, saved, "logit_table", registry=registry)
        assert fresh.layers["logit_table"].module.weight.item() == 3.5
        assert load(saved, only="logit_table", registry=registry).layers["logit_table"].module.weight.item() == 3.5


# One batch norm under two names.
NORMED = """
    import glulam

    @glulam.layer
    class Normed(glulam.LayerConfig):
        in_key: str = glulam.reads("scaled", shape="in_dim")
        out_key: str = glulam.writes("normed", shape="in_dim")
        in_dim: int | None = None

        def build(self):
            import torch

            class Twice(torch.nn.Module):
                def __init__(self, width):
                    super().__init__()
                    self.first = torch.nn.BatchNorm1d(width)
                    self.second = self.first
                    self.register_buffer("passing", torch.zeros(2), persistent=False)
                    self.register_buffer("lasting", self.passing)

                def forward(self, x):
                    return self.second(self.first(x))

            return Twice(self.in_dim)
"""


def test_buffers_that_are_there_under_two_names_are_saved_once(plugins, registry, policy_file, env, tmp_path):
    plugins.add("norms", {"glulam.layers": {"normed": "Normed"}}, NORMED)
    text = POLICY.replace("layer: running_sum", "layer: normed")
    policy = build(policy_file(text), env, registry=plugins.registry)
    norm = policy.layers["normed"].module.first
    with torch.no_grad():
        norm.running_mean.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
        norm.weight.fill_(0.5)
        policy.layers["normed"].module.passing.fill_(9.0)  # known to be saved by its other name alone
    save(policy, tmp_path / "policy.safetensors")
    names = {name for name in read_checkpoint(tmp_path / "policy.safetensors").tensors if "normed" in name}
    own = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    assert names == {f"layers.normed.module.{name}" for name in ("lasting", *(f"first.{name}" for name in own))}
    again = load(tmp_path / "policy.safetensors", registry=plugins.registry).layers["normed"].module
    assert again.first is again.second
    assert again.lasting.tolist() == [9.0, 9.0]
    assert again.second.running_mean.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert again.second.weight.tolist() == [0.5] * 6
    fresh = build(policy_file(text), env, registry=plugins.registry)
    glulam.warm_start(fresh, tmp_path / "policy.safetensors", "normed", registry=plugins.registry)
    assert fresh.layers["normed"].module.second.running_mean.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


RANDOM = """
    import attrs
    import glulam

    @attrs.frozen(kw_only=True)
    class RandomConfig(glulam.PolicyConfig):
        name: str = "random"
        counts: bool = False

        def build_policy(self, resolved):
            import torch

            class Random(glulam.Policy):
                def __init__(self, resolved, counts):
                    super().__init__(resolved)
                    self.out_keys = ["logits"]
                    self.action_head = glulam.layer_config("head").instantiate()
                    if counts:
                        self.register_buffer("seen", torch.tensor(7))
                        self.register_buffer("scale", torch.ones(2))

                def compute(self, inputs, recur):
                    return {"logits": torch.zeros(len(inputs["env_obs"]), 3, device=self.device, dtype=self.dtype)}

            return Random(resolved, self.counts)
"""


@pytest.mark.parametrize("counts", [False, True])
def test_a_policy_without_weights_is_saved_and_comes_back(plugins, registry, env, tmp_path, counts):
    """Its device is that of its buffers, or else the one that it was initialised on; its dtype likewise."""
    plugins.add("random", {"glulam.policies": {"random": "RandomConfig"}}, RANDOM)
    registry = plugins.registry
    config = registry.policies.find("random").load()(counts=counts)
    policy = build(config, env, registry=registry)
    assert (policy.device, policy.dtype) == (torch.device("cpu"), torch.float32)
    assert policy.experience_spec()["env_obs"].dtype == "uint8"
    save(policy, tmp_path / "policy.safetensors")
    checkpoint = read_checkpoint(tmp_path / "policy.safetensors")
    assert (checkpoint.header["dtype"], set(checkpoint.tensors)) == ("float32", {"seen", "scale"} if counts else set())
    again = load(tmp_path / "policy.safetensors", registry=registry)
    assert again.resolved.custom == config
    assert again(step_of(random_obs(2)))["actions"].tolist() == [0, 0]
    policy.initialize_to_environment(env, "meta")
    assert policy.device == torch.device("meta")
    double = build(config, env, registry=registry, dtype=torch.float64)
    assert double.dtype == (torch.float64 if counts else torch.float32)


@glulam.layer
class Middle(glulam.LossConfig):
    key: str = glulam.reads("pooled")


def test_a_policy_is_loaded_to_be_trained(saved, registry):
    loaded = load(saved, registry=registry, losses=[Middle(key="values")])
    assert loaded.resolved.losses == (Middle(key="values"),)
    assert load(saved, registry=registry, losses=Middle(key="values")).resolved.losses == (Middle(key="values"),)
    with pytest.raises(glulam.PolicyError, match="GL501 loss Middle needs 'nowhere'"):
        load(saved, registry=registry, losses=[Middle(key="nowhere")])
    with pytest.raises(glulam.PolicyError, match="GL201 unknown loss 'nobody'"):
        load(saved, registry=registry, losses={"loss": "nobody"})


class TestNames:
    """Names that a world has and the checkpoint has not. Oracle: the saved names, and those of the world, by hand."""

    KNOWN = ("noop", "north", "south")

    @staticmethod
    def rows(policy):
        return tuple(policy.layers["actor"].module.rows.names)

    @staticmethod
    def seen(policy):
        return tuple(policy.layers["obs_shaper"].module.vocabulary.factors)

    def test_load_masks_them_unless_they_are_to_be_learned(self, named):
        masked, learned = load(named, NEW), load(named, NEW, learn_names=True)
        assert (self.rows(masked), self.rows(learned)) == (self.KNOWN, (*self.KNOWN, "jump"))
        assert self.seen(learned)[: len(OLD.vocabulary)] == self.seen(masked) == OLD.vocabulary
        assert set(self.seen(learned)) - set(OLD.vocabulary) == {"metal", "wind", "tag:wall", "last_action:jump"}
        scored = masked.evaluate(step_in(NEW))
        assert (scored["logits"][:, 2] == 0).all()
        assert (masked(step_in(NEW, rows=64))["actions"] != 2).all()

    def test_an_alias_is_no_new_name(self, named):
        learned = load(named, NEW, aliases={"metal": "ore", "jump": "north"}, learn_names=True)
        assert self.rows(learned) == self.KNOWN
        assert set(self.seen(learned)) - set(OLD.vocabulary) == {"wind", "tag:wall"}
        assert learned.aliases == {"metal": "ore", "jump": "north"}
        assert (load(named, NEW, aliases={"jump": "north"})(step_in(NEW, rows=64))["actions"] == 2).any()

    def test_the_header_keeps_aliases_and_those_of_a_later_world_come_on_top(self, named, tmp_path):
        assert read_checkpoint(named).header["aliases"] == {}
        save(load(named, NEW, aliases={"metal": "ore"}), tmp_path / "one.safetensors")
        assert read_checkpoint(tmp_path / "one.safetensors").header["aliases"] == {"metal": "ore"}
        later = attrs.evolve(NEW, name="later", tags=("rock", "pit"))
        both = load(tmp_path / "one.safetensors", later, aliases={"pit": "mine"})
        assert both.aliases == {"metal": "ore", "pit": "mine"}
        save(both, tmp_path / "two.safetensors")
        assert read_checkpoint(tmp_path / "two.safetensors").header["aliases"] == both.aliases
        again = load(tmp_path / "two.safetensors")
        assert torch.equal(again.evaluate(step_in(later))["logits"], both.evaluate(step_in(later))["logits"])

    def test_an_alias_to_itself_takes_a_saved_one_out(self, named, tmp_path):
        """A world that has both names: what was called `metal` for a while is not `ore` there."""
        save(load(named, NEW, aliases={"metal": "ore", "jump": "north"}), tmp_path / "one.safetensors")
        both = attrs.evolve(NEW, name="both", features=(*NEW.features, glulam.Feature(name="ore", id=2)))
        with pytest.raises(GlulamError, match=r"feature name 'ore' appears twice \(with the aliases .*metal = ore"):
            load(tmp_path / "one.safetensors", both)
        moved = load(tmp_path / "one.safetensors", both, aliases={"metal": "metal"})
        assert moved.aliases == {"jump": "north"}
        report = moved.each("name_report")["layers.obs_shaper.module"]
        assert "ore" in report.mapped
        assert "metal" in report.masked
        fresh = load(named, both, aliases={"jump": "north"})
        assert torch.equal(moved.evaluate(step_in(both))["logits"], fresh.evaluate(step_in(both))["logits"])
        save(moved, tmp_path / "two.safetensors")
        assert read_checkpoint(tmp_path / "two.safetensors").header["aliases"] == {"jump": "north"}
        elsewhere = load(tmp_path / "one.safetensors", OLD, aliases={"metal": "metal", "jump": "jump"})
        assert elsewhere.aliases == {}
        later = attrs.evolve(NEW, tags=("wall", "pit"))
        with pytest.raises(GlulamError, match="alias 'pit' for 'pit': the policy has no 'pit'"):
            load(tmp_path / "one.safetensors", later, aliases={"pit": "pit"})

    def test_warm_start_learns_them_unless_they_are_to_be_masked(self, named, tmp_path):
        (tmp_path / "names.yaml").write_text(NAMES, encoding="utf-8")
        for learn, expected in ((True, (*self.KNOWN, "jump")), (False, self.KNOWN)):
            fresh = build(tmp_path / "names.yaml", NEW)
            assert self.rows(fresh) == NEW.actions.names
            glulam.warm_start(fresh, named, aliases={"metal": "ore"}, learn_names=learn)
            assert self.rows(fresh) == expected
            twin = load(named, NEW, aliases={"metal": "ore"}, learn_names=learn)
            assert self.seen(fresh) == self.seen(twin)
            assert torch.equal(fresh.evaluate(step_in(NEW))["logits"], twin.evaluate(step_in(NEW))["logits"])
            assert fresh.aliases == {"metal": "ore"}
        by_default = build(tmp_path / "names.yaml", NEW)
        glulam.warm_start(by_default, named)
        assert self.rows(by_default) == (*self.KNOWN, "jump")
        with pytest.raises(GlulamError, match="alias 'metl' for 'ore': the environment 'new' has no 'metl'"):
            glulam.warm_start(by_default, named, aliases={"metl": "ore"})

    @pytest.mark.parametrize("fault", ["an alias for nothing", "a name twice", "a layer that refuses the weights"])
    def test_a_warm_start_that_fails_leaves_the_policy_as_it_was(self, named, tmp_path, fault, monkeypatch):
        """Names, weights and what they do; oracle: a copy made before."""
        (tmp_path / "names.yaml").write_text(NAMES, encoding="utf-8")
        fresh = build(tmp_path / "names.yaml", NEW)
        fresh.aliases = {"wind": "breeze"}
        fresh.initialize_to_environment(NEW)
        before, acts = copy.deepcopy(fresh.state_dict()), copy.deepcopy(fresh).evaluate(step_in(NEW))
        aliases, message = {"wall": "altar"}, "the weights are heavy"
        if fault == "an alias for nothing":
            aliases, message = {"wall": "nonesuch"}, "alias 'wall' for 'nonesuch': the policy has no 'nonesuch'"
        elif fault == "a name twice":
            aliases, message = {"wall": "mine"}, "tag 'mine' appears twice"
        else:
            layer = fresh.layers["critic"].module
            monkeypatch.setattr(layer, "_load_from_state_dict", Mock(side_effect=[GlulamError(message), None]))
        with pytest.raises(GlulamError, match=message):
            glulam.warm_start(fresh, named, aliases=aliases)
        after = fresh.state_dict()
        assert before.keys() == after.keys()
        for name, value in before.items():
            assert torch.equal(value, after[name]) if torch.is_tensor(value) else value == after[name], name
        assert fresh.aliases == {"wind": "breeze"}
        found = fresh.evaluate(step_in(NEW))
        assert all(torch.equal(found[key], acts[key]) for key in ("logits", "values"))
