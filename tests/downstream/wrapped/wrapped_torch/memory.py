"""Recurrent modules of torch.nn and torchrl as memory layers. Imports no torch."""

from __future__ import annotations

from typing import Any

import attrs
from attrs.validators import gt, optional

import glulam

POSITIVE: Any = optional(gt(0))


@glulam.layer
class MemoryConfig(glulam.LayerConfig):
    """What these layers have in common."""

    in_key: str = glulam.reads("encoded", shape="in_dim")
    out_key: str = glulam.writes("core", shape="hidden_size")
    in_dim: int | None = attrs.field(default=None, validator=POSITIVE)
    hidden_size: int = attrs.field(default=8, validator=gt(0))


@glulam.layer
class StackedConfig(MemoryConfig):
    """Of one or more layers."""

    num_layers: int = attrs.field(default=1, validator=gt(0))


@glulam.layer
class LstmCellConfig(MemoryConfig):
    """LSTMCell, step by step."""

    def build(self):
        from wrapped_torch.recurrent import Cell

        return Cell(self.in_dim, self.hidden_size)


@glulam.layer
class TorchGruConfig(StackedConfig):
    """GRU."""

    def build(self):
        from wrapped_torch.recurrent import Gru

        return Gru(self.in_dim, self.hidden_size, self.num_layers)


@glulam.layer
class TorchLstmConfig(StackedConfig):
    """LSTM."""

    def build(self):
        from wrapped_torch.recurrent import Lstm

        return Lstm(self.in_dim, self.hidden_size, self.num_layers)


@glulam.layer
class TorchrlGruConfig(StackedConfig):
    """TorchRL's GRUModule, whose segments are its own recurrent mode."""

    def build(self):
        from wrapped_torch.recurrent_rl import TorchrlGru

        return TorchrlGru(self.in_dim, self.hidden_size, self.num_layers)


@glulam.layer
class TorchrlLstmConfig(StackedConfig):
    """TorchRL's LSTMModule, whose segments are its own recurrent mode."""

    def build(self):
        from wrapped_torch.recurrent_rl import TorchrlLstm

        return TorchrlLstm(self.in_dim, self.hidden_size, self.num_layers)


@glulam.layer
class TorchrlLstmNotZeroedConfig(StackedConfig):
    """The same, given the stored state as it is where a segment begins with a reset."""

    def build(self):
        from wrapped_torch.recurrent_rl import TorchrlLstm

        return TorchrlLstm(self.in_dim, self.hidden_size, self.num_layers, zeroed=False)


@glulam.layer
class DreamerGruConfig(MemoryConfig):
    """DreamerV3BlockGRU, whose segments are its own, with `is_init`."""

    blocks: int = attrs.field(default=1, validator=[gt(0), glulam.divides("hidden_size")])

    def build(self):
        from wrapped_torch.recurrent_rl import DreamerGru

        return DreamerGru(self.in_dim, self.hidden_size, self.blocks)
