"""The gated recurrent unit (Cho et al. 2014, arXiv:1406.1078), with the reset gate where torch has it.

Legend: `B` rows, `T` steps, `D` input width, `H` hidden width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from glulam_memory._recurrent import KERNEL, SHUT, Gated

__all__ = ["Gru"]


class Gru(Gated):
    """A GRU whose state is zeroed at resets, with `nn.GRU`'s parameter names and mathematics.

    Its state is `h`, `[N, H]`.

    Args:
        in_dim: width D of the input.
        hidden_size: width H of the state and of the output.
        num_layers: layers N.
        bias_init: the value of all biases at first.
        skip: add the input to the output, through a linear map where D is not H.
    """

    kind = "gru"
    gates = 3
    holds = False  # h' = n + z (h - n) rounds, at z = 1 too

    def _shut(self, layer: int) -> Tensor:
        """At r = z = 0 the state becomes tanh(b_n + column).

        So the column is minus that bias: the state is exactly zero, and what gradient a dummy sends to the bias it
        takes back through the column.
        """
        bias: Tensor = getattr(self, f"bias_ih_l{layer}")
        gates = bias.new_full((2 * self.hidden_size,), -SHUT)  # in torch's order: reset, update, new
        return torch.cat([gates, -bias[2 * self.hidden_size :]])[:, None]  # (3H, 1)

    def _cell(self, layer: int, x: Tensor, *before: Tensor) -> tuple[Tensor, ...]:
        return (torch.gru_cell(x, before[0], *self._weights(layer)),)  # two thirds of the kernel's time for a row

    def _kernel(self, x: Tensor, before: tuple[Tensor, ...], weights: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        y, h_n = torch.gru(x, before[0][None].contiguous(), weights, *KERNEL)
        return y, h_n[0]
