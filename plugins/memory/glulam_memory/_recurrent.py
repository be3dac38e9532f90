"""What the recurrent layers have in common: weights, checks, steps, the skip, and segments with resets.

Legend: `B` rows, `T` steps, `L` control steps, `N` layers, `G` gates, `D` input width, `H` hidden width.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from glulam import MemoryLayer, State, TensorSpec, mask_state
from glulam_memory._shapes import check_shapes
from glulam_memory.control_steps import Timeline

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["KERNEL", "SHUT", "Gated", "Recurrent"]

SHUT = 1e4  # a gate's input at which its sigmoid is exactly 0 (or 1), in half precision too

# What torch's kernels are told: biases, one layer, no dropout, training (without which cuDNN has no backward), one
# direction, time first.
KERNEL = (True, 1, 0.0, True, False, False)


class Recurrent(MemoryLayer):
    """A stack of recurrent layers, each reading the output of the one below; what they remember is zeroed at resets.

    A subclass names its gates, weights and states, the output being its first state, and writes `_cell` and `_run`.

    Args:
        in_dim: width D of the input.
        hidden_size: width H of the state and of the output.
        num_layers: layers N.
        bias_init: the value of all biases at first.
        skip: add the input to the output, through a linear map where D is not H.
    """

    kind: ClassVar[str]
    gates: ClassVar[int]
    weights: ClassVar[tuple[str, ...]] = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")  # (G * H, D or H), (G * H)
    states: ClassVar[tuple[str, ...]] = ("h",)  # (B, N, H) each

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
        self.state_shapes: dict[str, tuple[int, ...]] = dict.fromkeys(self.states, (num_layers, hidden_size))
        rows = self.gates * hidden_size
        for layer in range(num_layers):
            width = hidden_size if layer else in_dim
            for name in self.weights:
                value = torch.full((rows,), bias_init)
                if name.startswith("weight"):
                    value = nn.init.orthogonal_(torch.empty(rows, width if name == "weight_ih" else hidden_size))
                self.register_parameter(f"{name}_l{layer}", nn.Parameter(value))
        self.skip_weight: nn.Parameter | None = None
        if skip and in_dim != hidden_size:
            self.skip_weight = nn.Parameter(nn.init.orthogonal_(torch.empty(hidden_size, in_dim)))

    def state_spec(self) -> dict[str, TensorSpec]:
        """Return each state, `[N, H]`."""
        return {name: TensorSpec(shape, "float") for name, shape in self.state_shapes.items()}

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the output `[B, H]` of one step from `x` (`[B, D]`), and the state after it.

        Raises:
            GlulamError: if a shape is wrong.
        """
        check_shapes(self, x, state, rank=2)
        y, after = x, []
        for layer in range(self.num_layers):
            after.append(self._cell(layer, y, *self._before(state, layer)))
            y = after[-1][0]
        return self._skipped(x, y), self._joined(after)

    def sequence(self, x: Tensor, reset: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the outputs `[B, T, H]` from `x` (`[B, T, D]`), and the state after the last step.

        Args:
            x: inputs, `[B, T, D]`.
            reset: `[B, T]`, bool: the state is zero before step t where `reset[:, t]` holds.
            state: before the first step, its reset not yet applied.

        Raises:
            GlulamError: if a shape is wrong.
        """
        check_shapes(self, x, state, rank=3, reset=reset)
        y, after = self._run(x, reset, mask_state(state, reset[:, 0]))
        return self._skipped(x, y), self._joined(after)

    @abstractmethod
    def _cell(self, layer: int, x: Tensor, *before: Tensor) -> tuple[Tensor, ...]:
        """Return the states (`[B, H]` each) of one layer after one step."""

    @abstractmethod
    def _run(self, x: Tensor, reset: Tensor, state: State) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
        """Return the outputs of T steps and each layer's last states; the first step's reset is in `state` already."""

    def _weights(self, layer: int) -> tuple[Tensor, ...]:
        return tuple(getattr(self, f"{name}_l{layer}") for name in self.weights)

    def _before(self, state: State, layer: int) -> tuple[Tensor, ...]:
        return tuple(state[name][:, layer] for name in self.states)

    def _joined(self, after: Iterable[tuple[Tensor, ...]]) -> State:
        return {name: torch.stack(parts, 1) for name, *parts in zip(self.states, *after, strict=True)}

    def _skipped(self, x: Tensor, y: Tensor) -> Tensor:
        if not self.skip:
            return y
        return y + (x if self.skip_weight is None else linear(x, self.skip_weight))


class Gated(Recurrent):
    """A stack whose layers torch has a kernel for, run over segments with resets as control steps."""

    holds: ClassVar[bool]  # whether a shut gate can keep a state to the bit

    @abstractmethod
    def _kernel(self, x: Tensor, before: tuple[Tensor, ...], weights: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the outputs (`[T, B, H]`) of one layer over `x` (`[T, B, D]`), and its last states (`[B, H]`)."""

    @abstractmethod
    def _shut(self, layer: int) -> Tensor:
        """Return the input columns (`[G * H, 1 or 2]`) by which a control step's flags shut the gates of a layer."""

    def sequence(self, x: Tensor, reset: Tensor, state: State) -> tuple[Tensor, State]:
        """Do what `Recurrent.sequence` says; where control steps go depends on data, so a compiler gets the steps."""
        if torch.compiler.is_compiling():
            return MemoryLayer.sequence(self, x, reset, state)
        return super().sequence(x, reset, state)

    def _run(self, x: Tensor, reset: Tensor, state: State) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
        inner = reset.clone()
        inner[:, 0] = False
        times = Timeline.of(inner, holds=self.holds) if bool(inner.any()) else None
        y = x.transpose(0, 1) if times is None else times.spread(x)  # (T, B, D), or (L, B, D + 1 or 2)
        after = []
        for layer in range(self.num_layers):
            w_ih, *others = self._weights(layer)
            if times is not None:
                w_ih = torch.cat([w_ih, self._shut(layer)], dim=1)  # (G * H, D + 1 or 2)
                y = times.flagged(y) if layer else y
            weights = _in_one_piece((w_ih, *others)) if x.is_cuda else (w_ih, *others)
            y, h, *cells = self._kernel(y, self._before(state, layer), weights)
            if times is not None:
                h = y.flatten(0, 1).index_select(0, times.last)  # the dummies after it hide it
            after.append((h, *cells))
        return y.transpose(0, 1) if times is None else times.gather(y), after


def _in_one_piece(weights: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return the same as parts of one tensor: cuDNN would make one itself at each call, and warn of it."""
    whole = torch.cat([weight.flatten() for weight in weights])
    parts = torch.split(whole, [weight.numel() for weight in weights])
    return tuple(part.view_as(weight) for part, weight in zip(parts, weights, strict=True))
