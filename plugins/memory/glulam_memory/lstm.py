"""The LSTM.

Legend: `B` rows, `T` steps, `L` control steps, `N` layers, `D` input width, `H` hidden width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from glulam import GlulamError, MemoryLayer, State, TensorSpec, mask_state
from glulam_memory.control_steps import Timeline

__all__ = ["Lstm"]

SHUT = 1e4  # a gate's input at which its sigmoid is exactly 0 (or 1), in half precision too


class Lstm(MemoryLayer):
    """An LSTM whose state is zeroed at resets, with `nn.LSTM`'s parameter names and mathematics.

    Args:
        in_dim: width D of the input.
        hidden_size: width H of the state and of the output.
        num_layers: layers N.
        bias_init: the value of all biases at first.
        skip: add the input to the output, through a linear map where D is not H.
    """

    shut_gates: Tensor

    def __init__(
        self,
        in_dim: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias_init: float = 0.0,
        skip: bool = False,
    ) -> None:
        super().__init__()
        self.in_dim, self.hidden_size, self.num_layers, self.skip = in_dim, hidden_size, num_layers, skip
        for layer in range(num_layers):
            width = hidden_size if layer else in_dim
            for name, fan_in in (("weight_ih", width), ("weight_hh", hidden_size)):
                weight = nn.init.orthogonal_(torch.empty(4 * hidden_size, fan_in))
                self.register_parameter(f"{name}_l{layer}", nn.Parameter(weight))
            for name in ("bias_ih", "bias_hh"):
                bias = torch.full((4 * hidden_size,), bias_init)
                self.register_parameter(f"{name}_l{layer}", nn.Parameter(bias))
        self.skip_weight: nn.Parameter | None = None
        if skip and in_dim != hidden_size:
            self.skip_weight = nn.Parameter(nn.init.orthogonal_(torch.empty(hidden_size, in_dim)))
        # Gates in torch's order: input, forget, cell, output.
        columns = torch.tensor([[-SHUT, -SHUT], [-SHUT, SHUT], [0.0, 0.0], [-SHUT, -SHUT]])  # (4, 2)
        self.register_buffer("shut_gates", columns.repeat_interleave(hidden_size, 0), persistent=False)

    def state_spec(self) -> dict[str, TensorSpec]:
        """Return `h` and `c`, `[N, H]` each."""
        spec = TensorSpec((self.num_layers, self.hidden_size), "float")
        return {"h": spec, "c": spec}

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the output `[B, H]` of one step from `x` (`[B, D]`), and the state after it.

        Raises:
            GlulamError: if a shape is wrong.
        """
        self._check(x, state, rank=2)
        y, hs, cs = x, [], []
        for layer in range(self.num_layers):
            y, c = self._cell(layer, y, state["h"][:, layer], state["c"][:, layer])
            hs.append(y)
            cs.append(c)
        return self._skipped(x, y), {"h": torch.stack(hs, 1), "c": torch.stack(cs, 1)}

    def sequence(self, x: Tensor, reset: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the outputs `[B, T, H]` from `x` (`[B, T, D]`), and the state after the last step.

        Args:
            x: inputs, `[B, T, D]`.
            reset: `[B, T]`, bool: the state is zero before step t where `reset[:, t]` holds.
            state: before the first step, its reset not yet applied.

        Raises:
            GlulamError: if a shape is wrong.
        """
        self._check(x, state, rank=3)
        if reset.shape != x.shape[:2]:
            msg = f"lstm: reset has shape {list(reset.shape)}, the input {list(x.shape)}"
            raise GlulamError(msg)
        state = mask_state(state, reset[:, 0])
        inner = reset.clone()
        inner[:, 0] = False
        y, state = self._spans(x, inner, state) if bool(inner.any()) else self._span(x, state)
        return self._skipped(x, y), state

    def _span(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over steps without a reset among them."""
        y, hs, cs = x.transpose(0, 1), [], []  # (T, B, D)
        for layer in range(self.num_layers):
            y, h, c = _kernel(y, state["h"][:, layer], state["c"][:, layer], *self._weights(layer))
            hs.append(h)
            cs.append(c)
        return y.transpose(0, 1), {"h": torch.stack(hs, 1), "c": torch.stack(cs, 1)}

    def _spans(self, x: Tensor, reset: Tensor, state: State) -> tuple[Tensor, State]:
        """Run over steps with resets among them, as control steps."""
        times = Timeline.of(reset)
        y, hs, cs = times.spread(x), [], []  # (L, B, D + 2)
        for layer in range(self.num_layers):
            w_ih, *others = self._weights(layer)
            wider = torch.cat([w_ih, self.shut_gates], dim=1)  # (4H, D + 2)
            y = times.flagged(y) if layer else y
            y, _, c = _kernel(y, state["h"][:, layer], state["c"][:, layer], wider, *others)
            hs.append(y.flatten(0, 1).index_select(0, times.last))  # the dummies after it hide h, and keep c
            cs.append(c)
        return times.gather(y), {"h": torch.stack(hs, 1), "c": torch.stack(cs, 1)}

    def _cell(self, layer: int, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """One step of one layer: plain operations beat the kernel's set-up, three to one for a single row."""
        w_ih, w_hh, b_ih, b_hh = self._weights(layer)
        gates = torch.addmm(b_ih + b_hh, x, w_ih.t()).addmm_(h, w_hh.t())
        write, keep, new, show = gates.chunk(4, 1)  # (B, H) each
        c = torch.addcmul(torch.sigmoid(write) * torch.tanh(new), torch.sigmoid(keep), c)
        return torch.sigmoid(show) * torch.tanh(c), c

    def _weights(self, layer: int) -> tuple[Tensor, ...]:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return tuple(getattr(self, f"{name}_l{layer}") for name in names)

    def _skipped(self, x: Tensor, y: Tensor) -> Tensor:
        if not self.skip:
            return y
        return y + (x if self.skip_weight is None else linear(x, self.skip_weight))

    def _check(self, x: Tensor, state: State, rank: int) -> None:
        if x.dim() != rank or x.shape[-1] != self.in_dim:
            msg = f"lstm: the input has shape {list(x.shape)}, expected rank {rank} and width {self.in_dim}"
            raise GlulamError(msg)
        expected = [x.shape[0], self.num_layers, self.hidden_size]
        for name in ("h", "c"):
            if list(state[name].shape) != expected:
                msg = f"lstm: state {name!r} has shape {list(state[name].shape)}, expected {expected}"
                raise GlulamError(msg)


def _kernel(x: Tensor, h: Tensor, c: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Run torch's LSTM kernel, one layer over `x` (`[T, B, D]`) from `h` and `c` (`[B, H]`)."""
    y, h_n, c_n = torch.lstm(x, (h[None], c[None]), weights, True, 1, 0.0, False, False, False)  # noqa: FBT003
    return y, h_n[0], c_n[0]
