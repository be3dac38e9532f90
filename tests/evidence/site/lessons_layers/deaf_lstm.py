"""The module of `DeafLstmConfig`."""

import torch

from glulam_memory.lstm import Lstm

__all__ = ["DeafLstm"]


class DeafLstm(Lstm):
    """Hears of the reset before a segment and of none inside it."""

    def sequence(self, x, reset, state):
        first = torch.zeros_like(reset)
        first[:, 0] = reset[:, 0]
        return super().sequence(x, first, state)
