"""See `gradients.py` one folder up."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import linear

from tests.contract.museum.modules.good import Map


class TwoWays(Map):
    def __init__(self, in_dim, out_dim):
        super().__init__(in_dim, out_dim)
        self.side = Map(in_dim, out_dim)

    def forward(self, x):
        return super().forward(x) + self.side(x).tanh()


class Choice(nn.Module):
    def __init__(self, in_dim, out_dim):
        super().__init__()
        self.scores = Map(in_dim, 3)
        self.rows = nn.Parameter(torch.randn(3, out_dim))

    def forward(self, x):
        return self.scores(x).softmax(-1) @ self.rows


class Rounded(Map):
    def forward(self, x):
        return super().forward(x + ((4 * x).round() / 4 - x).detach())


class Code(nn.Module):
    def __init__(self, in_dim, out_dim):
        super().__init__()
        self.rows = nn.Parameter(torch.randn(2, in_dim))
        self.map = Map(in_dim, out_dim)

    def nearest(self, x):
        return self.rows[(x[..., None, :] - self.rows).square().sum(-1).argmin(-1)]

    def forward(self, x):
        return self.map(self.nearest(x) + x - x.detach())


class DetachedBranch(TwoWays):
    def forward(self, x):
        return Map.forward(self, x) + self.side(x).tanh().detach()


class UnusedWeights(Map):
    def __init__(self, in_dim, out_dim):
        super().__init__(in_dim, out_dim)
        self.unused = Map(in_dim, out_dim)


class PicksTheBest(Choice):
    def forward(self, x):
        return self.rows[self.scores(x).argmax(-1)]


class NeverTrains(Map):
    @torch.no_grad()
    def forward(self, x):
        return super().forward(x)


class GoesThroughData(Map):
    def forward(self, x):
        return linear(x, self.weight.data, self.bias)


class RoundsItsInput(Map):
    def forward(self, x):
        return super().forward((4 * x).round() / 4)


class PlainLookup(Code):
    def forward(self, x):
        return self.map(self.nearest(x))
