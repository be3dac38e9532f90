"""What this plugin offers: the configs of its layers, without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from attrs.validators import and_, ge, gt, optional

import glulam

if TYPE_CHECKING:
    from glulam_memory.gru import Gru
    from glulam_memory.lstm import Lstm
    from glulam_memory.min_gru import MinGru
    from glulam_memory.sliding_attention import SlidingAttention

__all__ = ["GruConfig", "LstmConfig", "MinGruConfig", "SlidingAttentionConfig"]


@glulam.layer
class _MemoryConfig(glulam.LayerConfig):
    """Layers that remember, one on another.

    Attributes:
        in_key: Key of the input, one vector a step.
        out_key: Key of the output, `hidden_size` wide.
        in_dim: Width of the input; inferred from the layer that writes it where it is left out.
        hidden_size: Width of the state and of the output.
        num_layers: Layers, each reading the output of the one below.
    """

    in_key: str = glulam.reads("encoded", dtype="float", shape="in_dim")
    out_key: str = glulam.writes("core", dtype="float", shape="out_dim")
    in_dim: int | None = attrs.field(default=None, validator=optional(gt(0)))
    hidden_size: int = attrs.field(default=128, validator=gt(0))
    num_layers: int = attrs.field(default=1, validator=gt(0))

    @property
    def out_dim(self) -> int:
        """The width of the output: `hidden_size`, with a skip or without."""
        return self.hidden_size


@glulam.layer
class _RecurrentConfig(_MemoryConfig):
    """Layers that remember by recurrence.

    Attributes:
        bias_init: What both bias vectors of each layer are filled with at first.
        skip: Whether the input is added to the output (through a linear map where the widths differ), so that what lies
            below learns before the memory does.
    """

    bias_init: float = 0.0
    skip: bool = False


@glulam.layer
class LstmConfig(_RecurrentConfig):
    """An LSTM of one or more layers whose state starts from zero in each episode.

    Attributes:
        bias_init: What both bias vectors of each layer are filled with at first; at 1, as in the original, the gates
            start half saturated, and it learns to remember late or never (GL601).
        forget_bias: What the two biases of a forget gate add up to at first; null for as `bias_init` has it. At 1 a
            memory starts out remembering longer.
    """

    forget_bias: float | None = None

    def build(self) -> Lstm:
        """Return the module.

        Raises:
            GlulamError: if `in_dim` is neither given nor inferred yet.
        """
        from glulam_memory.lstm import Lstm

        in_dim = _known(self.in_dim, "lstm")
        return Lstm(
            in_dim,
            self.hidden_size,
            self.num_layers,
            bias_init=self.bias_init,
            forget_bias=self.forget_bias,
            skip=self.skip,
        )


@glulam.layer
class GruConfig(_RecurrentConfig):
    """A GRU of one or more layers whose state starts from zero in each episode."""

    def build(self) -> Gru:
        """Return the module.

        Raises:
            GlulamError: if `in_dim` is neither given nor inferred yet.
        """
        from glulam_memory.gru import Gru

        in_dim = _known(self.in_dim, "gru")
        return Gru(in_dim, self.hidden_size, self.num_layers, bias_init=self.bias_init, skip=self.skip)


@glulam.layer
class MinGruConfig(_RecurrentConfig):
    """A minGRU: its gates see the input alone, so that training computes all steps of a segment at once.

    Attributes:
        bias_init: What the biases of the gates are filled with at first; below zero it starts out remembering longer.
    """

    def build(self) -> MinGru:
        """Return the module.

        Raises:
            GlulamError: if `in_dim` is neither given nor inferred yet.
        """
        from glulam_memory.min_gru import MinGru

        in_dim = _known(self.in_dim, "min_gru")
        return MinGru(in_dim, self.hidden_size, self.num_layers, bias_init=self.bias_init, skip=self.skip)


@glulam.layer
class SlidingAttentionConfig(_MemoryConfig):
    """Attention over the last steps of the episode, layer by layer, each with an MLP.

    What it remembers of a row is `2 * num_layers * (window - 1) * hidden_size` numbers.

    Attributes:
        hidden_size: Width of the layers and of the output; a multiple of `num_heads`.
        num_heads: Heads of the attention; must divide `hidden_size`.
        window: Steps that each layer sees, the present one among them; what lies further back reaches it through the
            layers below, `window - 1` steps a layer. At least 2: one that sees the present alone remembers nothing.
    """

    num_heads: int = attrs.field(default=4, validator=and_(gt(0), glulam.divides("hidden_size")))
    window: int = attrs.field(default=32, validator=ge(2))

    def build(self) -> SlidingAttention:
        """Return the module.

        Raises:
            GlulamError: if `in_dim` is neither given nor inferred yet.
        """
        from glulam_memory.sliding_attention import SlidingAttention

        in_dim, heads = _known(self.in_dim, "sliding_attention"), self.num_heads
        return SlidingAttention(
            in_dim, self.hidden_size, num_layers=self.num_layers, num_heads=heads, window=self.window
        )


def _known(in_dim: int | None, layer: str) -> int:
    if in_dim is None:
        msg = f"{layer}: in_dim is not known; set it, or let a policy infer it"
        raise glulam.GlulamError(msg)
    return in_dim
