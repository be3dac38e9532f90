"""See `rows.py` one folder up. `B` rows, `N` tokens."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import layer_norm

from tests.contract.museum.modules.good import Map, Pool, lowest
from tests.contract.museum.modules.keys import Value


class Attend(Pool):
    dim = 1

    def __init__(self, in_dim, out_dim):
        super().__init__(in_dim, out_dim)
        self.score = Map(in_dim, 1)

    def scores(self, tokens, mask):
        scores = self.score(tokens).squeeze(-1)  # (B, N)
        return scores.masked_fill(~mask, lowest(scores))

    def forward(self, tokens, mask):
        weights = self.scores(tokens, mask).softmax(self.dim).masked_fill(~mask, 0)
        return torch.einsum("bn,bnh->bh", weights, self.map(tokens).masked_fill(~mask[..., None], 0))


class Placed(Pool):
    def __init__(self, in_dim, out_dim, length):
        super().__init__(in_dim, out_dim)
        self.places = nn.Parameter(torch.randn(length, in_dim))

    def forward(self, tokens, mask):
        return super().forward(tokens + self.places[: tokens.shape[1]], mask)


class LayerNorm(Map):
    def forward(self, x):
        y = super().forward(x)
        return layer_norm(y, y.shape[-1:])


class UsesBatchStatistics(Map):
    def forward(self, x):
        y = super().forward(x)
        return (y - y.mean(0)) / (y.var(0, unbiased=False) + 1e-5).sqrt()


class NormalisesTheBatch(Map):
    def __init__(self, in_dim, out_dim):
        super().__init__(in_dim, out_dim)
        self.norm = nn.BatchNorm1d(out_dim)

    def forward(self, x):
        return self.norm(super().forward(x))


class CentresOnTheBatch(Map):
    def forward(self, x):
        return super().forward(x - x.mean(0))


class SqueezesTheBatch(Value):
    def forward(self, x):
        return Map.forward(self, x).squeeze()


class ViewsItsInput(Pool):
    def forward(self, tokens, mask):
        return super().forward(tokens.view(-1, tokens.shape[-1]).view(tokens.shape), mask)


class PlacesByRow(Placed):
    def forward(self, tokens, mask):
        return Pool.forward(self, tokens + self.places[: tokens.shape[0], None], mask)


class AttendsAcrossRows(Attend):
    dim = 0


class OneMaskForAll(Pool):
    def forward(self, tokens, mask):
        return super().forward(tokens, mask[:1].expand_as(mask))


class StacksNoRows(Map):
    def forward(self, x):
        return torch.stack([super(StacksNoRows, self).forward(row) for row in x])
