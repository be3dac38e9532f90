"""See `slots.py` one folder up."""

from __future__ import annotations

import torch

from glulam.memory import Rows, Slots
from tests.contract.museum.modules.good import Recurrent
from tests.contract.museum.modules.resets import OwnSlots


def _places(rows):
    """Return the rows of the first places, whatever the ids."""
    return Rows(torch.arange(rows.source.numel(), device=rows.source.device))


class ByPosition(Slots):
    def read(self, rows, reset=None):
        return super().read(_places(rows), reset)

    def write(self, rows, state, who="this layer"):
        super().write(_places(rows), state, who)


class Forgetful(Slots):
    def reserve(self, count):
        grows = count > self.count
        super().reserve(count)
        if grows:
            self.clear()


class Graph(Slots):
    def read(self, rows, reset=None):
        self.reserve(rows.size)
        ids = rows.source.long()
        state = {name: buffer.index_select(0, ids) for name, buffer in self.tensors.items()}
        return state if reset is None else {name: v.masked_fill(reset[:, None], 0) for name, v in state.items()}

    def write(self, rows, state, who="this layer"):
        for name, buffer in self.tensors.items():
            self._buffers[self._places[name]] = buffer.index_copy(0, rows.source.long(), state[name].to(buffer.dtype))

    def clear(self):
        for name, buffer in self.tensors.items():
            self._buffers[self._places[name]] = torch.zeros_like(buffer)


class Saved(Slots):
    def __init__(self, spec):
        super().__init__(spec)
        self._non_persistent_buffers_set.clear()


class Mixed(Slots):
    def write(self, rows, state, who="this layer"):
        order = rows.source.argsort()
        super().write(rows, {name: value[order] for name, value in state.items()}, who)


class RemembersByPosition(OwnSlots, Recurrent):
    kind = ByPosition


class GrowthForgets(OwnSlots, Recurrent):
    kind = Forgetful


class NeverForgets(Recurrent):
    def reset_memory(self):
        pass


class TrainingOverwrites(Recurrent):
    def sequence(self, x, reset, state):
        y, state = super().sequence(x, reset, state)
        if x.shape[0]:
            rows = Rows(torch.arange(x.shape[0], device=x.device))
            self.slots.reserve(rows.size)
            self.slots.write(rows, state)
        return y, state


class KeepsTheGraph(OwnSlots, Recurrent):
    kind = Graph


class SavesItsMemory(OwnSlots, Recurrent):
    kind = Saved


class HidesItsState(Recurrent):
    hidden = None

    def step(self, x, state):
        if self.hidden is not None and self.hidden.shape == state["h"].shape:
            state = {"h": self.hidden}
        h, state = super().step(x, state)
        self.hidden = h.detach()
        return h, state

    def reset_memory(self):
        super().reset_memory()
        self.hidden = None


class MixesItsSlots(OwnSlots, Recurrent):
    kind = Mixed


class BeginsOnTheCpu(Recurrent):
    def initial_state(self, rows):
        return {name: torch.zeros(rows, *spec.shape) for name, spec in self.state_spec().items()}
