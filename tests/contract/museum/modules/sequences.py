"""See `sequences.py` one folder up. `B` rows, `T` steps."""

from __future__ import annotations

import torch

from tests.contract.museum.modules.good import Lstm, Recurrent


class IgnoresInnerResets(Recurrent):
    def sequence(self, x, reset, state):
        first = torch.arange(x.shape[1], device=x.device) == 0
        return super().sequence(x, reset & first, state)


class SkipsTheFirstReset(Recurrent):
    def sequence(self, x, reset, state):
        first = torch.arange(x.shape[1], device=x.device) == 0
        return super().sequence(x, reset & ~first, state)


class ResetsAfterTheStep(Recurrent):
    def sequence(self, x, reset, state):
        gates, h, outputs = self.of_input(x), state["h"], []
        for t in range(x.shape[1]):
            h = self.cell(gates[:, t], h)
            outputs.append(h)
            h = h.masked_fill(reset[:, t, None], 0)
        return torch.stack(outputs, 1), {"h": h}


class KeepsTheCell(Lstm):
    def sequence(self, x, reset, state):
        gates, h, c, outputs = self.of_input(x), state["h"], state["c"], []
        for t in range(x.shape[1]):
            h, c = self.cell(gates[:, t], h.masked_fill(reset[:, t, None], 0), c)
            outputs.append(h)
        return torch.stack(outputs, 1), {"h": h, "c": c}


class LosesTheLastState(Recurrent):
    def sequence(self, x, reset, state):
        y, state = super().sequence(x, reset, state)
        return y, {"h": state["h"].masked_fill(reset[:, 1:].any(1, keepdim=True), 0)}


class ReturnsTheFirstState(Recurrent):
    def sequence(self, x, reset, state):
        y, _ = super().sequence(x, reset, state)
        return y, {"h": y[:, 0]}


class RunsBackwards(Recurrent):
    def sequence(self, x, reset, state):
        y, state = super().sequence(x.flip(1), reset.flip(1), state)
        return y.flip(1), state


class ForgetsEveryStep(Recurrent):
    def sequence(self, x, reset, state):
        return super().sequence(x, torch.ones_like(reset), state)


class StartsFromZero(Recurrent):
    def sequence(self, x, reset, state):
        return super().sequence(x, reset, {"h": torch.zeros_like(state["h"])})


class SwapsTimeAndRows(Recurrent):
    def sequence(self, x, reset, state):
        gates, h, outputs = self.of_input(x), torch.zeros_like(state["h"][:1]).expand(x.shape[1], -1), []
        for row in range(x.shape[0]):
            h = self.cell(gates[row], h.masked_fill(reset[row, :, None], 0))
            outputs.append(h)
        y = torch.stack(outputs) if outputs else gates[..., : self.out_dim]
        return y, {"h": y[:, -1]}


class DetachesEachStep(Recurrent):
    def cell(self, gates, h):
        return super().cell(gates, h.detach())
