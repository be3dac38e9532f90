"""See `copies.py` one folder up."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import linear

from tests.contract.museum.modules.good import Map, Table

NAMES = ("left", "right", "up", "down", "in", "out", "back", "forth")


class Scaled(Map):
    def __init__(self, in_dim, out_dim):
        super().__init__(in_dim, out_dim)
        self.register_buffer("scale", torch.randn(out_dim))

    def forward(self, x):
        return super().forward(x) * self.scale


class Columns(nn.Module):
    def __init__(self, in_dim, out_dim):
        super().__init__()
        self.parts = nn.ModuleDict({f"{name}_{n}": Map(in_dim, 1) for n, name in self.names(out_dim)})

    def names(self, count):
        return [(n, NAMES[n % len(NAMES)]) for n in range(count)]

    def forward(self, x):
        return torch.cat([part(x) for part in self.parts.values()], -1)


class FloatByHand(Map):
    def forward(self, x):
        return linear(x.float(), self.weight.float(), self.bias.float())


class CpuInForward(Map):
    def forward(self, x):
        return super().forward(x) * torch.linspace(1, 2, len(self.bias), dtype=x.dtype)


class PlainTensor(Map):
    def __init__(self, in_dim, out_dim):
        super().__init__(in_dim, out_dim)
        self.scale = torch.randn(out_dim)

    def forward(self, x):
        return super().forward(x) * self.scale.to(x.dtype)


class ListOfBuffers(Scaled):
    def __init__(self, in_dim, out_dim):
        super().__init__(in_dim, out_dim)
        self.all = [self.scale]

    def forward(self, x):
        return Map.forward(self, x) * self.all[0].to(x.dtype)


class NotSaved(Map):
    def __init__(self, in_dim, out_dim):
        super().__init__(in_dim, out_dim)
        self.register_buffer("scale", torch.randn(out_dim), persistent=False)

    def forward(self, x):
        return super().forward(x) * self.scale


class MadeInForward(nn.Module):
    map = None

    def __init__(self, in_dim, out_dim):
        super().__init__()
        self.out_dim = out_dim

    def forward(self, x):
        if self.map is None:
            self.map = Map(x.shape[-1], self.out_dim).to(x.device, x.dtype)
        return self.map(x)


class NamesAsASet(Table):
    def get_extra_state(self):
        return {"names": set(self.known)}


class LambdaInside(Map):
    def __init__(self, in_dim, out_dim):
        super().__init__(in_dim, out_dim)
        self.activation = lambda y: y.tanh()

    def forward(self, x):
        return self.activation(super().forward(x))


class Holder:
    """Holds weights, and stays the same object in a deep copy, as a closure does."""

    def __init__(self, weight):
        self.weight = weight

    def __deepcopy__(self, memo):
        return self

    def __call__(self, x, bias):
        return linear(x, self.weight, bias)


class CopiesShare(Map):
    def __init__(self, in_dim, out_dim):
        super().__init__(in_dim, out_dim)
        self.call = Holder(self.weight)

    def forward(self, x):
        return self.call(x, self.bias)


class OneForAll(Map):
    shared: dict = {}  # noqa: RUF012 - the exhibit

    def __init__(self, in_dim, out_dim):
        super().__init__(in_dim, out_dim)
        self.register_buffer("scale", self.shared.setdefault(out_dim, torch.ones(out_dim)))

    def forward(self, x):
        return super().forward(x) * self.scale


class CountsOnTheClass(Map):
    calls = 0

    def forward(self, x):
        type(self).calls += 1
        return super().forward(x) / type(self).calls


class OrderOfASet(Columns):
    def forward(self, x):
        return torch.cat([self.parts[name](x) for name in set(self.parts)], -1)
