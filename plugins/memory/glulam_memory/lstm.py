"""The LSTM.

Legend: `B` rows, `T` steps, `D` input width, `H` hidden width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from glulam_memory._recurrent import KERNEL, SHUT, Gated

__all__ = ["Lstm"]


class Lstm(Gated):
    """An LSTM whose state is zeroed at resets, with `nn.LSTM`'s parameter names and mathematics.

    Its state is `h` and `c`, `[N, H]` each.

    Args:
        in_dim: width D of the input.
        hidden_size: width H of the state and of the output.
        num_layers: layers N.
        bias_init: the value of all biases at first.
        forget_bias: what the forget gate's two biases add up to at first, as in Jozefowicz et al. 2015 ("An Empirical
            Exploration of Recurrent Network Architectures"); None for as `bias_init` has it.
        skip: add the input to the output, through a linear map where D is not H.
    """

    kind = "lstm"
    gates = 4
    states = ("h", "c")
    holds = True
    shut_gates: Tensor

    def __init__(  # noqa: PLR0913 - a module takes numbers, never a config
        self,
        in_dim: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias_init: float = 0.0,
        forget_bias: float | None = None,
        skip: bool = False,
    ) -> None:
        super().__init__(in_dim, hidden_size, num_layers, bias_init=bias_init, skip=skip)
        if forget_bias is not None:
            for layer in range(num_layers):
                for bias in self._weights(layer)[2:]:
                    torch.nn.init.constant_(bias[hidden_size : 2 * hidden_size], forget_bias / 2)
        # Gates in torch's order: input, forget, cell, output.
        columns = torch.tensor([[-SHUT, -SHUT], [-SHUT, SHUT], [0.0, 0.0], [-SHUT, -SHUT]])  # (4, 2)
        self.register_buffer("shut_gates", columns.repeat_interleave(hidden_size, 0), persistent=False)

    def _shut(self, layer: int) -> Tensor:
        del layer  # the same for all
        return self.shut_gates

    def _cell(self, layer: int, x: Tensor, *before: Tensor) -> tuple[Tensor, ...]:
        """One step of one layer: plain operations beat the kernel's set-up, three to one for a single row."""
        w_ih, w_hh, b_ih, b_hh = self._weights(layer)
        h, c = before
        gates = torch.addmm(b_ih + b_hh, x, w_ih.t()).addmm_(h, w_hh.t())
        write, keep, new, show = gates.chunk(4, 1)  # (B, H) each
        c = torch.addcmul(torch.sigmoid(write) * torch.tanh(new), torch.sigmoid(keep), c)
        return torch.sigmoid(show) * torch.tanh(c), c

    def _kernel(self, x: Tensor, before: tuple[Tensor, ...], weights: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        h, c = (state[None].contiguous() for state in before)  # cuDNN takes no other
        y, h_n, c_n = torch.lstm(x, (h, c), weights, *KERNEL)
        return y, h_n[0], c_n[0]
