"""See `resets.py` one folder up."""

from __future__ import annotations

import torch

from glulam.bound import BoundLayer
from glulam.memory import Slots, mask_state
from tests.contract.museum.modules.good import Lstm, Recurrent


class OwnSlots:
    """Mixed into a memory layer: its slots are of the class `kind`."""

    kind = Slots

    @property
    def slots(self):
        if self._modules.get("_slots") is None:
            like = next(self.parameters())
            self._slots = self.kind(self.state_spec()).to(like.device, like.dtype)
        return self._modules["_slots"]


class Deaf(Slots):
    def read(self, rows, reset=None):
        return super().read(rows)


class HalfDeaf(Slots):
    def read(self, rows, reset=None):
        state = super().read(rows)
        return state if reset is None else state | mask_state({"h": state["h"]}, reset)


class Rash(Slots):
    def read(self, rows, reset=None):
        return super().read(rows, None if reset is None else reset.any().expand_as(reset))


class Late(Slots):
    def read(self, rows, reset=None):
        self.late = reset
        return super().read(rows)

    def write(self, rows, state, who="this layer"):
        super().write(rows, state if self.late is None else mask_state(state, self.late), who)


class IgnoresDones(OwnSlots, Recurrent):
    kind = Deaf


class HalfTheStateSurvives(OwnSlots, Lstm):
    kind = HalfDeaf


class ResetsEveryone(OwnSlots, Recurrent):
    kind = Rash


class ResetsOneStepLate(OwnSlots, Recurrent):
    kind = Late


class IgnoresTruncation(BoundLayer):
    def forward(self, td):
        truncateds = td.get("truncateds")
        td = super().forward(td.set("truncateds", torch.zeros_like(truncateds)))
        return td.set("truncateds", truncateds)
