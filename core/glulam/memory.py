"""Memory: a base class for layers whose state outlives a step, and the slots that hold it in rollout.

Legend: `B` rows, `T` steps, `D` width. A state is a dict of tensors `[B, ...]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from glulam._errors import GlulamError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self

    from glulam.experience import TensorSpec

__all__ = ["MemoryLayer", "Rows", "State", "mask_state"]

State = dict[str, Tensor]
"""The memory of one layer: tensors `[B, ...]` by the names that its `state_spec` gives."""


def mask_state(state: State, reset: Tensor) -> State:
    """Return the state with the rows where `reset` (`[B]`, bool) holds set to zero."""
    return {name: value.masked_fill(reset.view(-1, *[1] * (value.dim() - 1)), 0) for name, value in state.items()}


class Rows:
    """The slots of one batch, checked once: a slice where ids are consecutive, an index elsewhere.

    In compiled or exported code nothing is checked, since what ids hold is not known there; room for them must have
    been made before (`Policy.reserve`).

    Raises:
        GlulamError: if an id repeats or is negative, or is no whole number.
    """

    def __init__(self, env_id: Tensor) -> None:
        if env_id.is_floating_point():
            msg = f"env_id is {str(env_id.dtype).removeprefix('torch.')}; ids are whole numbers, int64"
            raise GlulamError(msg)
        ids = env_id.detach().long()
        self.order: Tensor | None = None
        self.index: slice | Tensor
        if torch.compiler.is_compiling():
            self.index, self.range, self.size = ids, slice(0, 0), 0
            return
        count = ids.numel()
        first = int(ids[0]) if count else 0
        self.range = slice(first, first + count)
        self.index = self.range
        if not torch.equal(ids, torch.arange(first, first + count, device=ids.device)):
            # Ids that fill a range in another order: what each slot gets is gathered, in half the time of a scatter.
            order = ids.argsort()
            ordered = ids.index_select(0, order)
            repeated = ordered[1:][ordered[1:] == ordered[:-1]]
            if len(repeated):
                msg = f"env_id {int(repeated[0])} appears more than once in one batch; each row needs an id of its own"
                raise GlulamError(msg)
            first, last = int(ordered[0]), int(ordered[-1])
            self.index, self.range = ids, slice(first, last + 1)
            self.order = order if last - first + 1 == count else None
        if first < 0:
            msg = f"env_id holds {first}; ids count from 0"
            raise GlulamError(msg)
        self.size = self.range.stop
        self.source = env_id
        # On a CPU numpy or another process may write to it unseen; elsewhere torch counts what is written.
        self.copy = env_id.detach().clone() if ids.device.type == "cpu" else None
        self.version = None if env_id.is_inference() else env_id._version  # noqa: SLF001 - torch counts there only

    def still(self, env_id: Tensor) -> bool:
        """Whether these are the rows of `env_id`: the same tensor, unwritten since."""
        if env_id is not self.source:
            return False
        if self.copy is not None:
            return torch.equal(self.copy, env_id)
        return self.version is not None and env_id._version == self.version  # noqa: SLF001 - as above


class Slots(nn.Module):
    """The state of every row ever seen, in buffers `[slots, ...]` that no checkpoint holds.

    Args:
        spec: of each tensor; one whose dtype is `float` follows the policy's, the others keep theirs.
        like: a tensor in the policy's dtype on its device.
    """

    def __init__(self, spec: Mapping[str, TensorSpec], like: Tensor | None = None) -> None:
        super().__init__()
        self.count = 0
        self._places = {name: f"state_{number}" for number, name in enumerate(spec)}  # whatever a state is called
        self._fixed = [self._places[name] for name, tensor in spec.items() if tensor.dtype != "float"]
        own, device = (None, None) if like is None else (like.dtype, like.device)
        with torch.inference_mode(mode=False):  # else they could be written in inference mode alone
            for name, tensor in spec.items():
                dtype = own if tensor.dtype == "float" else getattr(torch, tensor.dtype)
                buffer = torch.zeros(0, *tensor.shape, dtype=dtype, device=device)
                self.register_buffer(self._places[name], buffer, persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's
        """Move and cast, as torch calls it; what has a dtype of its own is moved alone."""
        before = {place: self._buffers[place] for place in self._fixed}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for place, buffer in before.items():
            moved = self._buffers[place]
            if buffer is not None and moved is not None and moved.dtype != buffer.dtype:
                self._buffers[place] = buffer.to(moved.device)
        return self

    @property
    def tensors(self) -> State:
        """The state of all slots, `[slots, ...]` by name."""
        return {name: self._buffers[place] for name, place in self._places.items()}  # type: ignore[misc]

    def reserve(self, count: int) -> None:
        """Make room for ids below `count`; what is there stays."""
        if count <= self.count:
            return
        with torch.inference_mode(mode=False):  # as where they are made
            for name, buffer in self.tensors.items():
                grown = buffer.new_zeros(count, *buffer.shape[1:])
                grown[: self.count] = buffer
                self._buffers[self._places[name]] = grown
        self.count = count

    def clear(self) -> None:
        """Forget everything."""
        for buffer in self.tensors.values():
            buffer.zero_()

    def read(self, rows: Rows, reset: Tensor | None = None) -> State:
        """Return a copy of the state of some rows, zero where `reset` (`[B]`, bool) holds.

        A layer may hand parts of it on, as a delay does, and they must not change while the slots are written.
        """
        self.reserve(rows.size)
        index = rows.index
        if isinstance(index, Tensor):
            state = {name: buffer.index_select(0, index) for name, buffer in self.tensors.items()}
        else:
            state = {name: self._part(buffer, index).clone() for name, buffer in self.tensors.items()}
        if reset is not None:
            _forget(state, reset)
        return state

    def write(self, rows: Rows, state: State, who: str = "this layer") -> None:
        """Store the state of some rows, detached.

        Raises:
            GlulamError: if a tensor of it is missing or of another shape than `state_spec` says.
        """
        for name, buffer in self.tensors.items():
            value = state.get(name)
            if value is None or value.shape[1:] != buffer.shape[1:]:
                found = (
                    "is missing after a step" if value is None else f"has shape {list(value.shape[1:])} after a step"
                )
                msg = f"{who}: state {name!r} {found}; its state_spec says {list(buffer.shape[1:])}"
                raise GlulamError(msg)
            kept = value.detach()
            if not isinstance(rows.index, Tensor):
                self._part(buffer, rows.index).copy_(kept)
            elif rows.order is not None and kept.dtype == buffer.dtype:
                torch.index_select(kept, 0, rows.order, out=self._part(buffer, rows.range))
            else:
                buffer.index_copy_(0, rows.index, kept.to(buffer.dtype))

    def _part(self, buffer: Tensor, rows: slice) -> Tensor:
        """Return some consecutive rows; slicing all of them takes as long as a small copy."""
        return buffer if rows.start == 0 and rows.stop == self.count else buffer[rows]


def _forget(state: State, reset: Tensor) -> None:
    """Zero the rows where `reset` holds, in place: few do, and a CPU takes long over a mask of all."""
    if reset.device.type == "cpu" and not torch.compiler.is_compiling():
        begun = reset.nonzero().squeeze(1)
        for value in state.values():
            value.index_fill_(0, begun, 0)
    else:  # without waiting for the device
        for value in state.values():
            value.masked_fill_(reset.view(-1, *[1] * (value.dim() - 1)), 0)


class MemoryLayer(nn.Module):
    """The base of memory layers: write `state_spec` and `step`, and `sequence` for speed.

    A state is zero at the start of an episode. The policy calls `step` in rollout, with the state of the rows
    read from `slots`, and `sequence` in training, with the state that the segment began with.
    """

    def __init__(self) -> None:
        super().__init__()
        self._slots: Slots | None = None
        # Goes along wherever the layer is moved, so that one without parameters knows where it is.
        self._here: Tensor
        self.register_buffer("_here", torch.empty(0), persistent=False)

    @property
    def slots(self) -> Slots:
        """The rollout state, made on first use on the layer's device and in its dtype."""
        slots = self._modules.get("_slots")  # an attribute that is a module takes torch ten times as long to find
        if slots is None:
            slots = self._slots = Slots(self.state_spec(), next(self.parameters(), self._here))
        return slots  # type: ignore[return-value]

    def state_spec(self) -> dict[str, TensorSpec]:
        """Return each tensor of the state of one row; `dtype="float"` is the policy's own."""
        msg = f"{type(self).__name__} has no state_spec(); return {{name: TensorSpec(shape, dtype)}} from it"
        raise TypeError(msg)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the output (`[B, ...]`) of one step and the state after it."""
        del x, state
        msg = f"{type(self).__name__} has no step(x, state)"
        raise TypeError(msg)

    def sequence(self, x: Tensor, reset: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the outputs (`[B, T, ...]`) of T steps and the state after them.

        Args:
            x: inputs, `[B, T, D]`.
            reset: `[B, T]`, bool: the state is zero *before* step t where `reset[:, t]` holds.
            state: before the first step, its reset not yet applied.
        """
        outputs: list[Tensor] = []
        for t in range(x.shape[1]):
            y, state = self.step(x[:, t], mask_state(state, reset[:, t]))
            outputs.append(y)
        return torch.stack(outputs, dim=1), state

    def initial_state(self, rows: int) -> State:
        """Return the zero state of `rows` rows, `[rows, ...]` a tensor."""
        return {name: buffer.new_zeros(rows, *buffer.shape[1:]) for name, buffer in self.slots.tensors.items()}

    def forward(self, x: Tensor, reset: Tensor, state: State) -> tuple[Tensor, State]:
        """Run `sequence`: x is `[B, T, ...]`, reset `[B, T]` (bool), and each tensor of the state `[B, ...]`."""
        return self.sequence(x, reset, state)

    def reset_memory(self) -> None:
        """Forget the state of every row."""
        if self._slots is not None:
            self._slots.clear()
