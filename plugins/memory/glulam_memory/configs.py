"""What this plugin offers: the configs of its layers, without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from attrs.validators import gt, optional

import glulam

if TYPE_CHECKING:
    from glulam_memory.lstm import Lstm

__all__ = ["LstmConfig"]


@glulam.layer
class LstmConfig(glulam.LayerConfig):
    """An LSTM of one or more layers whose state starts from zero in each episode.

    Attributes:
        in_key: Key of the input, one vector a step.
        out_key: Key of the output, `hidden_size` wide.
        in_dim: Width of the input; inferred from the layer that writes it where it is left out.
        hidden_size: Width of the state and of the output.
        num_layers: Layers, each reading the output of the one below.
        bias_init: What both bias vectors of each layer are filled with at first; at 1, as in the original, the gates
            start half saturated and policies hardly learn.
        skip: Whether the input is added to the output (through a linear map where the widths differ), so that what lies
            below learns before the memory does.
    """

    in_key: str = glulam.reads("encoded", dtype="float", shape="in_dim")
    out_key: str = glulam.writes("core", dtype="float", shape="out_dim")
    in_dim: int | None = attrs.field(default=None, validator=optional(gt(0)))
    hidden_size: int = attrs.field(default=128, validator=gt(0))
    num_layers: int = attrs.field(default=1, validator=gt(0))
    bias_init: float = 0.0
    skip: bool = False

    @property
    def out_dim(self) -> int:
        """The width of the output: `hidden_size`, with a skip or without."""
        return self.hidden_size

    def build(self) -> Lstm:
        """Return the module.

        Raises:
            GlulamError: if `in_dim` is neither given nor inferred yet.
        """
        from glulam_memory.lstm import Lstm

        if self.in_dim is None:
            msg = "lstm: in_dim is not known; set it, or let a policy infer it"
            raise glulam.GlulamError(msg)
        return Lstm(self.in_dim, self.hidden_size, self.num_layers, bias_init=self.bias_init, skip=self.skip)
