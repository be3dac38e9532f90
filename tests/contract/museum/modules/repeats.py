"""Modules of `tests.contract.museum.repeats`."""

import torch
from torch import nn

from glulam import Repeated
from tests.contract.museum.modules.good import Map, Pool

__all__ = ["CentresTheSet", "Counts", "CountsEachOnce", "EachRow", "LosesTheGradient", "Signs", "TakesTwoForOne"]


class EachRow(nn.Module):
    row_wise = True

    def __init__(self, in_dim, out_dim):
        super().__init__()
        self.map = Map(in_dim, out_dim)

    def forward(self, tokens):
        return self.map(tokens)


class CentresTheSet(EachRow):
    row_wise = True

    def forward(self, tokens):
        return self.map(tokens - tokens.mean(1, keepdim=True))


class Counts(Pool):
    takes_repeated = True

    def forward(self, tokens, mask):
        if isinstance(tokens, torch.Tensor):
            return super().forward(tokens, mask)
        return self.by_table(tokens.table, tokens.index, mask.table)

    def by_table(self, table, index, seen):
        shown = self.map(table).masked_fill(~seen[:, None], 0)
        counts = Repeated(seen[:, None].to(shown), index).sums()
        return Repeated(shown, index).sums() / counts.clamp(min=1)


class CountsEachOnce(Counts):
    takes_repeated = True

    def forward(self, tokens, mask):
        return super().forward(tokens, mask)

    def by_table(self, table, index, seen):
        shown = self.map(table).masked_fill(~seen[:, None], 0)
        there = torch.zeros(index.row.shape[0], len(table)).scatter_(1, index.row.long(), 1.0)
        return there.to(shown) @ shown / (there.to(shown) @ seen.to(shown)[:, None]).clamp(min=1)


class LosesTheGradient(Counts):
    takes_repeated = True

    def forward(self, tokens, mask):
        return super().forward(tokens, mask)

    def by_table(self, table, index, seen):
        return super().by_table(table.detach(), index, seen)


class Signs(nn.Module):
    def forward(self, tokens):
        return tokens[..., :2].sign().float()

    def repeated(self, tokens):
        found = Repeated.of(tokens, self.codes(tokens), 9)
        return self(tokens) if found is None else found.map(self)

    def codes(self, tokens):
        first, second = (tokens[..., :2].sign() + 1).int().unbind(-1)
        return 3 * first + second


class TakesTwoForOne(Signs):
    def forward(self, tokens):
        return super().forward(tokens)

    def repeated(self, tokens):
        return super().repeated(tokens)

    def codes(self, tokens):
        return (tokens[..., 0].sign() + 1).int()
