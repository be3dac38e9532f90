"""See `keys.py` one folder up. `B` rows."""

from __future__ import annotations

import torch

from glulam import TensorSpec
from tests.contract.museum.modules.good import Map, Native


class Value(Map):
    def __init__(self, in_dim):
        super().__init__(in_dim, 1)

    def forward(self, x):
        return super().forward(x).squeeze(-1)


class Storing(Map):
    def experience_spec(self):
        return {"y": TensorSpec((self.weight.shape[0],), "float")}


class WritesAStranger(Native):
    def forward(self, td):
        td.set("logits", td.get(self.in_keys[0]))
        return super().forward(td)


class ErasesItsInput(Native):
    def forward(self, td):
        td = super().forward(td)
        del td[self.in_keys[0]]
        return td


class ReadsAStranger(Native):
    def forward(self, td):
        td = super().forward(td)
        rewards = td.get("rewards", None)
        if rewards is not None:
            td.set(self.out_keys[0], td.get(self.out_keys[0]) + rewards.reshape(-1, 1))
        return td


class RectifiesInPlace(Map):
    def forward(self, x):
        if torch.is_grad_enabled() and x.requires_grad:  # torch refuses there
            return super().forward(x.relu())
        return super().forward(x.relu_())


class ReturnsItsBuffer(Map):
    def __init__(self, in_dim, out_dim):
        super().__init__(in_dim, out_dim)
        self.register_buffer("kept", torch.zeros(0, out_dim), persistent=False)

    def forward(self, x):
        y = super().forward(x)
        if torch.is_grad_enabled():
            return y
        if self.kept.shape != y.shape:
            self.kept = torch.empty_like(y)
        return self.kept.copy_(y)


class OneOutputTooMany(Map):
    def forward(self, x):
        y = super().forward(x)
        return y, y.abs().amax(-1)


class KeepsADimension(Value):
    def forward(self, x):
        return Map.forward(self, x)


class AnswersInDouble(Map):
    def forward(self, x):
        return super().forward(x).double()


class StoresAnotherShape(Storing):
    def experience_spec(self):
        return {"y": TensorSpec((self.weight.shape[0] + 1,), "float")}
