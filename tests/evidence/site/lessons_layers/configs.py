"""An LSTM as four of the original's policies had it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import glulam
from glulam_memory.configs import LstmConfig

if TYPE_CHECKING:
    from torch import nn


@glulam.layer
class DeafLstmConfig(LstmConfig):
    """An LSTM that is deaf to episodes which end inside a segment: it forgets in rollout, and in training it does not.

    The original's `fast` and `latent_attn` policies of June 2025 train so. The contract suite refuses it.
    """

    def build(self) -> nn.Module:
        """Return the module."""
        from lessons_layers.deaf_lstm import DeafLstm

        return DeafLstm(self.in_dim, self.hidden_size, self.num_layers, bias_init=self.bias_init, skip=self.skip)
