"""Modules of torchrl for vectors, agents and actions. Imports no torch."""

from __future__ import annotations

import attrs
from attrs.validators import gt

import glulam
from wrapped_torch.vectors import POSITIVE, MappedConfig, VectorConfig


@glulam.layer
class TorchrlMlpConfig(MappedConfig):
    """MLP."""

    depth: int = attrs.field(default=2, validator=gt(0))

    def build(self):
        from torchrl.modules import MLP

        return MLP(self.in_dim, self.out_dim, depth=self.depth, num_cells=16)


@glulam.layer
class NoisyLinearConfig(MappedConfig):
    """NoisyLinear: its noise is a buffer, drawn when it is made and by `reset_noise`."""

    def build(self):
        from torchrl.modules import NoisyLinear

        return NoisyLinear(self.in_dim, self.out_dim)


@glulam.layer
class BatchRenormConfig(VectorConfig):
    """BatchRenorm1d, in training as it comes."""

    def build(self):
        from torchrl.modules import BatchRenorm1d

        return BatchRenorm1d(self.in_dim)


@glulam.layer
class DreamerMlpConfig(MappedConfig):
    """DreamerV3MLP."""

    def build(self):
        from torchrl.modules import DreamerV3MLP

        return DreamerV3MLP(self.in_dim, self.out_dim, depth=2, num_cells=16)


@glulam.layer
class MultiAgentMlpConfig(glulam.LayerConfig):
    """MultiAgentMLP of three agents that see each other, with weights of their own."""

    in_key: str = glulam.reads("x", shape="3 in_dim")
    out_key: str = glulam.writes("y", shape="3 out_dim")
    in_dim: int | None = attrs.field(default=None, validator=POSITIVE)
    out_dim: int = attrs.field(default=4, validator=gt(0))
    centralized: bool = True
    share_params: bool = False

    def build(self):
        from torchrl.modules import MultiAgentMLP

        shares = {"centralized": self.centralized, "share_params": self.share_params}
        return MultiAgentMLP(self.in_dim, self.out_dim, 3, **shares, depth=1, num_cells=8)


@glulam.layer
class QMixerConfig(glulam.LayerConfig):
    """QMixer: the values of three agents and a state make one value."""

    in_key: str = glulam.reads("chosen_action_value", shape="3 1")
    state_key: str = glulam.reads("state", shape="state_dim")
    out_key: str = glulam.writes("y", shape="1")
    state_dim: int | None = attrs.field(default=None, validator=POSITIVE)

    def build(self):
        from torchrl.modules import QMixer

        return QMixer((self.state_dim,), 8, 3, "cpu")


@glulam.layer
class ValueOperatorConfig(VectorConfig):
    """ValueOperator, which takes the TensorDict itself."""

    out_key: str = glulam.writes("state_value", shape="1")

    def build(self):
        from torchrl.modules import MLP, ValueOperator

        module = MLP(self.in_dim, 1, depth=1, num_cells=16)
        return ValueOperator(module, in_keys=[self.in_key], out_keys=[self.out_key])


@glulam.layer
class QValueConfig(glulam.LayerConfig):
    """QValueModule, which takes the TensorDict itself: the best action and its value; what it reads it writes again."""

    in_key: str = glulam.reads("action_value", shape="A")
    action_key: str = glulam.writes("action", dtype="int64", shape="")
    value_key: str = glulam.writes("action_value", shape="A")
    chosen_key: str = glulam.writes("chosen_action_value", shape="1")

    def build(self):
        from torchrl.modules import QValueModule

        keys = [self.action_key, self.value_key, self.chosen_key]
        return QValueModule("categorical", action_value_key=self.in_key, out_keys=keys)


@glulam.layer
class TanhNormalConfig(glulam.LayerConfig):
    """TanhNormal as an action head, its numbers split and made positive by NormalParamExtractor."""

    in_key: str = glulam.reads("means", shape="env.num_actions")
    scale_key: str = glulam.reads("scales", shape="env.num_actions")
    actions_key: str = glulam.writes("actions", dtype="float32", shape="env.num_actions", phase="act")
    log_prob_key: str = glulam.writes("act_log_prob", shape="")

    def build(self):
        from wrapped_torch.heads import TanhNormalHead

        return TanhNormalHead()


@glulam.layer
class MaskedCategoricalConfig(glulam.LayerConfig):
    """MaskedCategorical as an action head."""

    in_key: str = glulam.reads("logits", shape="A")
    mask_key: str = glulam.reads("mask", dtype="bool", shape="A")
    actions_key: str = glulam.writes("actions", dtype="int64", shape="", phase="act")
    log_prob_key: str = glulam.writes("act_log_prob", shape="")
    entropy_key: str = glulam.writes("entropy", shape="", phase="score")

    def build(self):
        from wrapped_torch.heads import MaskedCategoricalHead

        return MaskedCategoricalHead()
