"""Layers that do not use glulam's base classes live in the same policy."""

import pytest
import torch
from tensordict.nn import TensorDictModuleBase
from torch import nn

import glulam
from glulam import GlulamError, build
from tests.core.test_policy import random_obs, step_of


class Native(TensorDictModuleBase):
    in_keys = ("pooled",)
    out_keys = ("scaled",)

    def __init__(self):
        super().__init__()
        self.seen = None

    def forward(self, td):
        self.seen = set(td.keys())
        td["stray"] = td["pooled"]
        return td.set("scaled", td["pooled"].repeat(1, 2) * 2)


class DictMemory(nn.Module):
    """A stranger's memory: a dict by env_id, without glulam's base class."""

    def __init__(self):
        super().__init__()
        self.sums = {}

    def forward(self, x, env_id, dones, truncateds):
        rows = []
        for row, name, ended in zip(x, env_id.tolist(), (dones | truncateds).tolist(), strict=True):
            self.sums[name] = row if ended else self.sums.get(name, 0) + row
            rows.append(self.sums[name])
        return torch.stack(rows)


class TestStrangers:
    """Layers that do not use glulam's base classes."""

    def _with(self, policy_file, registry, env, plugins, old, new, name, target, memory="{layer: running_sum, "):
        plugins.add("strangers", {"glulam.layers": {name: target}}, "from tests.core.test_strangers import *")
        text = policy_file().read_text()
        assert old in text
        text = text.replace(old, new).replace("{layer: running_sum, ", memory)
        return build(policy_file(text), env, registry=plugins.registry)

    def test_a_tensordict_module_sees_its_keys_alone(self, policy_file, registry, env, plugins):
        policy = self._with(
            policy_file, registry, env, plugins, "{layer: scale, in_key: pooled, out_key: scaled, times: 2}",
            "{layer: native, name: scale}", "native", "NativeConfig",
        )  # fmt: skip
        obs = random_obs(3)
        td = policy(step_of(obs))
        assert policy.layers["scale"].module.seen == {"pooled"}
        assert "stray" not in td
        torch.testing.assert_close(td["values"], obs.float().mean((1, 2)) * 2)

    def test_a_memory_with_a_dict_of_its_own_works_in_rollout(self, policy_file, registry, env, plugins):
        policy = self._with(
            policy_file, registry, env, plugins, "layer: running_sum", "layer: dict_sum", "dict_sum", "DictMemoryConfig"
        )
        obs = random_obs(2, 3)
        means = obs.float().mean((2, 3)) * 2
        policy(step_of(obs[0]))
        ended = torch.tensor([True, False, False])
        torch.testing.assert_close(policy(step_of(obs[1], dones=ended))["values"], means[1] + means[0] * ~ended)

    def test_a_plain_object_with_the_protocol_is_a_layer(self, policy_file, registry, env, plugins):
        policy = self._with(
            policy_file, registry, env, plugins, "{layer: scale, in_key: pooled, out_key: scaled, times: 2}",
            "{layer: plain, name: scale}", "plain", "PlainConfig", "{layer: running_sum, in_dim: 6, ",
        )  # fmt: skip
        obs = random_obs(3)
        torch.testing.assert_close(policy(step_of(obs))["values"], obs.float().mean((1, 2)) * 2)

    def test_a_width_that_nobody_declares_must_be_written(self, policy_file, registry, env, plugins):
        with pytest.raises(glulam.PolicyError, match="GL403 in_dim cannot be inferred(.|\n)*try: add 'in_dim: ...'"):
            self._with(
                policy_file, registry, env, plugins, "{layer: scale, in_key: pooled, out_key: scaled, times: 2}",
                "{layer: plain, name: scale}", "plain", "PlainConfig",
            )  # fmt: skip

    @pytest.mark.parametrize(
        ("name", "target", "message"),
        [
            ("short", "ShortConfig", r"layer 'scale' \(Identity\) returned 1 outputs; its config declares 2"),
            ("misspelt", "MisspeltConfig", "Misspelt did not write its key 'scaled'"),
            ("nothing", "NothingConfig", r"layer 'scale' \(Nothing\) returned None; its config declares a tensor"),
        ],
    )
    def test_outputs_that_are_not_there_are_named(self, policy_file, registry, env, plugins, name, target, message):
        policy = self._with(
            policy_file, registry, env, plugins, "{layer: scale, in_key: pooled, out_key: scaled, times: 2}",
            f"{{layer: {name}, name: scale}}", name, target,
        )  # fmt: skip
        with pytest.raises(GlulamError, match=message):
            policy(step_of(random_obs(2)))

    def test_what_a_layer_wants_stored_as_float_is_in_the_policys_dtype(self, policy_file, registry, env, plugins):
        policy = self._with(
            policy_file, registry, env, plugins, "{layer: scale, in_key: pooled, out_key: scaled, times: 2}",
            "{layer: kept, name: scale}", "kept", "KeptConfig",
        )  # fmt: skip
        for dtype, name in ((torch.float32, "float32"), (torch.bfloat16, "bfloat16")):
            assert policy.to(dtype).experience_spec()["scaled"] == glulam.TensorSpec((6,), name)


class Misspelt(Native):
    def forward(self, td):
        return td.set("scalde", td["pooled"])


class Nothing(nn.Module):
    def forward(self, x):
        del x


@glulam.layer
class NativeConfig(glulam.LayerConfig):
    in_key: str = glulam.reads("pooled", shape="D")
    out_key: str = glulam.writes("scaled", shape="6")

    def build(self):
        return Native()


@glulam.layer
class MisspeltConfig(NativeConfig):
    def build(self):
        return Misspelt()


@glulam.layer
class NothingConfig(NativeConfig):
    def build(self):
        return Nothing()


@glulam.layer
class KeptConfig(NativeConfig):
    def experience_spec(self):
        return {self.out_key: glulam.TensorSpec((6,), "float")}


@glulam.layer
class DictMemoryConfig(glulam.LayerConfig):
    in_key: str = glulam.reads("scaled", shape="D")
    env_id_key: str = glulam.reads("env_id", dtype="int64", shape="")
    dones_key: str = glulam.reads("dones", dtype="bool", shape="")
    truncateds_key: str = glulam.reads("truncateds", dtype="bool", shape="")
    out_key: str = glulam.writes("summed", shape="D")

    def build(self):
        return DictMemory()


@glulam.layer
class ShortConfig(glulam.LayerConfig):
    in_key: str = glulam.reads("pooled", shape="D")
    out_key: str = glulam.writes("scaled", shape="6")
    other_key: str = glulam.writes("other", shape="D")

    def build(self):
        return nn.Identity()


class PlainConfig:
    in_keys = ("pooled",)
    out_keys = ("scaled",)

    def instantiate(self):
        return Native()
