"""See `padding.py` one folder up. `B` rows, `N` tokens."""

from __future__ import annotations

import torch

from tests.contract.museum.modules.good import Pool, lowest
from tests.contract.museum.modules.rows import Attend


class Max(Pool):
    def forward(self, tokens, mask):
        shown = self.map(tokens)
        best = shown.masked_fill(~mask[..., None], lowest(shown)).amax(1)
        return best.masked_fill(~mask.any(1, keepdim=True), 0)


class InvertsTheMask(Pool):
    def forward(self, tokens, mask):
        return super().forward(tokens, ~mask)


class IgnoresTheMask(Pool):
    def forward(self, tokens, mask):
        return super().forward(tokens, torch.ones_like(mask))


class CountsPadding(Pool):
    def forward(self, tokens, mask):
        return self.map(tokens).masked_fill(~mask[..., None], 0).mean(1)


class BiasOfPadding(Pool):
    def forward(self, tokens, mask):
        shown = self.map(tokens.masked_fill(~mask[..., None], 0))
        return shown.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


class MaxOverZeros(Max):
    def forward(self, tokens, mask):
        return self.map(tokens).masked_fill(~mask[..., None], 0).amax(1)


class NanOnAnEmptyRow(Pool):
    def forward(self, tokens, mask):
        return self.map(tokens).masked_fill(~mask[..., None], 0).sum(1) / mask.sum(1, keepdim=True)


class SoftmaxOfNothing(Attend):
    def forward(self, tokens, mask):
        scores = self.score(tokens).squeeze(-1).masked_fill(~mask, -torch.inf)
        return torch.einsum("bn,bnh->bh", scores.softmax(1), self.map(tokens).masked_fill(~mask[..., None], 0))


class ScalesWithLength(Pool):
    def forward(self, tokens, mask):
        return super().forward(tokens, mask) / tokens.shape[1] ** 0.5


class MaskTooWeak(Attend):
    def forward(self, tokens, mask):
        scores = self.score(tokens).squeeze(-1) - 10 * (~mask).to(tokens.dtype)
        return torch.einsum("bn,bnh->bh", scores.softmax(1), self.map(tokens))
