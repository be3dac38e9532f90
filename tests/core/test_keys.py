"""Keys that need not be there: outputs that a policy does without, inputs that only some worlds offer."""

import attrs
import pytest
import torch
from tensordict import TensorDict
from tensordict.nn import TensorDictModuleBase

import glulam
from glulam import PolicyError, TensorSpec, build, resolve
from glulam.keys import declared_keys
from tests.core.conftest import POLICY
from tests.core.test_policy import random_obs, step_of

MASKED = -50.0
READS = "in_key: summed, out_key: logits"


class Halves(torch.nn.Module):
    def __init__(self, count):
        super().__init__()
        self.count = count

    def forward(self, x):
        return x if self.count == 1 else (x, x / 2)


@glulam.layer
class Halve(glulam.LayerConfig):
    """The input, and half of it where that is asked for."""

    in_key: str = glulam.reads("summed", shape="in_dim")
    out_key: str = glulam.writes("whole", shape="in_dim")
    half_key: str | None = glulam.writes("half", shape="in_dim", optional=True)
    in_dim: int | None = None

    def build(self):
        return Halves(len(self.out_keys))


class Mask(torch.nn.Module):
    def forward(self, x, mask=None):
        return x if mask is None else torch.where(mask, x, MASKED)


class NativeMask(TensorDictModuleBase):
    in_keys = ("raw", "action_mask")
    out_keys = ("logits",)

    def forward(self, td):
        return td.set("logits", Mask()(td["raw"], td.get("action_mask", None)))


@glulam.layer
class Masks(glulam.LayerConfig):
    """Logits, low where the world forbids an action, if it says so."""

    in_key: str = glulam.reads("raw", shape="env.num_actions")
    mask_key: str | None = glulam.reads("action_mask", dtype="bool", shape="env.num_actions", if_offered=True)
    out_key: str = glulam.writes("logits", shape="env.num_actions")
    native: bool = False

    def build(self):
        return NativeMask() if self.native else Mask()


@glulam.layer
class Wants(glulam.LayerConfig):
    """As `Masks`, but nothing without a mask: it may be null, and is read otherwise."""

    in_key: str = glulam.reads("raw", shape="env.num_actions")
    mask_key: str | None = glulam.reads("action_mask", dtype="bool", shape="env.num_actions", optional=True)
    out_key: str = glulam.writes("logits", shape="env.num_actions")

    def build(self):
        return Mask()


@pytest.fixture
def registry(plugins, registry):
    del registry
    points = {"halve": "Halve", "masks": "Masks", "wants": "Wants"}
    plugins.add("odds", {"glulam.layers": points}, "from tests.core.test_keys import *")
    return plugins.registry


@pytest.fixture
def offering(env):
    return attrs.evolve(env, name="offering", optional_inputs=("action_mask",))


def masked_step(rows=5, *, mask=None):
    """A step whose mask allows one action a row, in turn."""
    allowed = torch.arange(rows)[:, None] % 3 == torch.arange(3) if mask is None else mask
    return step_of(random_obs(rows)).set("action_mask", allowed)


class TestOptionalOutput:
    def text(self, half, reads="whole"):
        line = f"  - {{layer: halve{half}}}\n  - {{layer: logit_table, in_key: {reads}, out_key: logits}}\n"
        return POLICY.replace(f"  - {{layer: logit_table, {READS}}}\n", line)

    def test_it_is_written_where_it_has_a_key(self, policy_file, registry, env):
        policy = build(policy_file(self.text("", "half")), env, registry=registry, keep="all")
        td = policy(step_of(random_obs(3)))
        torch.testing.assert_close(td["half"], td["whole"] / 2)
        torch.testing.assert_close(td["values"], td["whole"].mean(1) / 2)

    def test_null_writes_nothing(self, policy_file, registry, env):
        path = policy_file(self.text(", half_key: null"))
        resolved = resolve(path, env=env, registry=registry)
        assert "half" not in resolved.keys
        assert resolved.to_mapping()["layers"][3]["half_key"] is None
        policy = build(path, env, registry=registry, keep="all")
        td = policy(step_of(random_obs(3)))
        assert "half" not in td
        assert "half" not in policy.writable_keys()
        torch.testing.assert_close(td["values"], random_obs(3).float().mean((1, 2)) * 2)

    def test_who_reads_it_then_reads_what_nothing_writes(self, policy_file, registry, env):
        with pytest.raises(PolicyError) as caught:
            resolve(policy_file(self.text(", half_key: null", "half")), env=env, registry=registry)
        assert [(f.code, f.message, f.layer) for f in caught.value.faults] == [
            ("GL304", "reads 'half', which nothing writes", "logit_table")
        ]

    def test_alone_it_writes_what_has_a_key(self):
        x = torch.tensor([[2.0, 4.0]])
        both = Halve(in_key="x").instantiate()(TensorDict({"x": x}, batch_size=[1]))
        assert both["half"].tolist() == [[1.0, 2.0]]
        one = Halve(in_key="x", half_key=None).instantiate()
        assert one.out_keys == ["whole"]
        assert set(one(TensorDict({"x": x}, batch_size=[1])).keys()) == {"x", "whole"}

    def test_an_output_that_is_not_optional_may_not_be_null(self, policy_file, registry):
        text = POLICY.replace("out_key: pooled", "out_key: null")
        with pytest.raises(PolicyError, match="GL104 out_key: expected a key, found None"):
            resolve(policy_file(text), registry=registry)


class TestIfOffered:
    """Oracle: torch.where on the logits, by hand."""

    def text(self, layer="masks"):
        lines = f"  - {{layer: logit_table, in_key: summed, out_key: raw}}\n  - {{layer: {layer}}}\n"
        return POLICY.replace(f"  - {{layer: logit_table, {READS}}}\n", lines)

    def test_it_is_optional_too(self):
        spec = declared_keys(Masks)["mask_key"]
        assert (spec.optional, spec.if_offered) == (True, True)
        assert Masks(mask_key=None).in_keys == ["raw"]
        assert declared_keys(Wants)["mask_key"].if_offered is False

    @pytest.mark.parametrize("layer", ["masks", "masks, native: true"])
    def test_a_world_that_offers_it_and_one_that_does_not(self, layer, policy_file, registry, env, offering):
        with_mask = build(policy_file(self.text(layer)), offering, registry=registry, keep="all")
        without = build(policy_file(self.text(layer)), env, registry=registry, keep="all")
        td, plain = with_mask(masked_step()), without(step_of(random_obs(5)))
        torch.testing.assert_close(plain["logits"], plain["raw"])
        torch.testing.assert_close(td["logits"], torch.where(td["action_mask"], td["raw"], MASKED))
        assert td["actions"].tolist() == [0, 1, 2, 0, 1]
        assert "action_mask" in with_mask.in_keys
        assert "action_mask" not in without.in_keys
        assert with_mask.experience_spec()["action_mask"] == TensorSpec((3,), "bool")
        assert "action_mask" not in without.experience_spec()

    def test_what_the_world_does_not_offer_is_not_read_though_it_is_there(self, policy_file, registry, env):
        td = build(policy_file(self.text()), env, registry=registry, keep="all")(masked_step())
        torch.testing.assert_close(td["logits"], td["raw"])

    def test_offered_but_missing_is_named(self, policy_file, registry, offering):
        policy = build(policy_file(self.text()), offering, registry=registry)
        with pytest.raises(glulam.GlulamError, match="the TensorDict lacks 'action_mask', which the policy reads"):
            policy(step_of(random_obs(2)))

    def test_null_never_reads_it(self, policy_file, registry, offering):
        policy = build(policy_file(self.text("masks, mask_key: null")), offering, registry=registry, keep="all")
        assert "action_mask" not in policy.in_keys
        td = policy(masked_step())
        torch.testing.assert_close(td["logits"], td["raw"])

    def test_a_policy_may_move_between_the_two(self, policy_file, registry, env, offering):
        policy = build(policy_file(self.text()), env, registry=registry)
        for world in (offering, env, offering, env):
            policy.initialize_to_environment(world)
            fresh = build(policy_file(self.text()), world, registry=registry)
            td, expected = policy(masked_step()), fresh(masked_step())
            assert torch.equal(td["logits"], expected["logits"])
            assert policy.in_keys == fresh.in_keys
            assert policy.experience_spec() == fresh.experience_spec()

    def test_alone_it_takes_the_mask_that_is_there(self):
        layer = Masks().instantiate()
        x, mask = torch.ones(1, 3), torch.tensor([[True, False, True]])
        assert layer(TensorDict({"raw": x}, batch_size=[1]))["logits"].tolist() == [[1, 1, 1]]
        td = TensorDict({"raw": x, "action_mask": mask}, batch_size=[1])
        assert layer(td)["logits"].tolist() == [[1, MASKED, 1]]

    def test_a_key_of_a_layer_is_read_everywhere(self, policy_file, registry, env):
        """A name that is no input of any world is one that a layer must write."""
        text = self.text("masks, mask_key: allowed")
        with pytest.raises(PolicyError, match="GL304 reads 'allowed', which nothing writes"):
            resolve(policy_file(text), env=env, registry=registry)

    def test_an_optional_input_that_is_read_is_one_that_is_offered(self, policy_file, registry, env, offering):
        path = policy_file(self.text("wants"))
        assert resolve(path, registry=registry).env is None
        assert resolve(path, env=offering, registry=registry).env == offering
        with pytest.raises(PolicyError) as caught:
            resolve(path, env=env, registry=registry)
        (fault,) = caught.value.faults
        assert (fault.code, fault.layer, fault.place.path) == ("GL503", "wants", "$.layers[4].mask_key")
        assert fault.message == (
            "reads 'action_mask', which the environment does not offer (optional inputs it offers: none)"
        )
        assert fault.remedy == "choose an environment that offers it, or read another key"
        with pytest.raises(PolicyError, match="GL503 reads 'action_mask'"):
            build(path, offering, registry=registry).initialize_to_environment(env)
        text = self.text("wants, mask_key: null")
        assert "action_mask" not in build(policy_file(text), env, registry=registry).in_keys
