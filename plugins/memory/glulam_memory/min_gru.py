"""The minimal gated recurrent unit (Feng et al. 2024, "Were RNNs All We Needed?", arXiv:2410.01201).

Legend: `B` rows, `T` steps, `D` input width, `H` hidden width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import linear

from glulam_memory._recurrent import Recurrent
from glulam_memory.scan import linear_recurrence

if TYPE_CHECKING:
    from glulam import State

__all__ = ["MinGru"]


class MinGru(Recurrent):
    """A minGRU whose state is zeroed at resets: h_t = (1 - z_t) h_(t-1) + z_t c_t.

    The gate z_t = sigmoid(W_z x_t + b_z) and the candidate c_t = W_c x_t + b_c do not read the state, so all steps
    of a segment are computed at once and joined by a scan. `weight_ih_l0` is W_z over W_c, `[2H, D]`, and
    `bias_ih_l0` likewise. Its state is `h`, `[N, H]`.

    Args:
        in_dim: width D of the input.
        hidden_size: width H of the state and of the output.
        num_layers: layers N.
        bias_init: the value of the biases of the gates at first; those of the candidates are zero.
        skip: add the input to the output, through a linear map where D is not H.
    """

    kind = "min_gru"
    gates = 2
    weights = ("weight_ih", "bias_ih")

    def __init__(
        self,
        in_dim: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias_init: float = 0.0,
        skip: bool = False,
    ) -> None:
        super().__init__(in_dim, hidden_size, num_layers, bias_init=0.0, skip=skip)
        for layer in range(num_layers):
            bias = getattr(self, f"bias_ih_l{layer}")
            torch.nn.init.constant_(bias[:hidden_size], bias_init)

    def _cell(self, layer: int, x: Tensor, *before: Tensor) -> tuple[Tensor, ...]:
        gate, candidate = self._gate_and_candidate(layer, x)
        return (torch.lerp(before[0], candidate, torch.sigmoid(gate)),)

    def _run(self, x: Tensor, reset: Tensor, state: State) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
        forget = reset[..., None]  # (B, T, 1)
        y = x
        after: list[tuple[Tensor, ...]] = []
        for layer in range(self.num_layers):
            gate, candidate = self._gate_and_candidate(layer, y)  # (B, T, H)
            keep = torch.sigmoid(-gate).masked_fill(forget, 0)
            y = linear_recurrence(keep, torch.sigmoid(gate) * candidate, *self._before(state, layer))
            after.append((y[:, -1],))
        return y, after

    def _gate_and_candidate(self, layer: int, x: Tensor) -> tuple[Tensor, Tensor]:
        gate, candidate = linear(x, *self._weights(layer)).chunk(2, -1)
        return gate, candidate
