"""See `compiling.py` one folder up. `B` rows, `N` tokens."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import leaky_relu

from tests.contract.museum.modules.good import Map, Pool


class Leaky(Map):
    def forward(self, x):
        return leaky_relu(super().forward(x), 0.1)


class ReadsANumber(Map):
    def forward(self, x):
        return super().forward(x) / (1 + self.bias.detach().abs().max().item())


class BranchesOnData(Leaky):
    def forward(self, x):
        y = Map.forward(self, x)
        if (y >= 0).all():
            return y
        return leaky_relu(y, 0.1)


class GathersWhatIsThere(Pool):
    def forward(self, tokens, mask):
        rows, places = mask.nonzero().unbind(1)
        shown = self.map(tokens[rows, places])  # (there, H)
        summed = shown.new_zeros(len(tokens), shown.shape[-1]).index_add(0, rows, shown)
        return summed / mask.sum(1, keepdim=True).clamp(min=1)


class LeavesTorch(Map):
    def forward(self, x):
        bias = self.bias.detach().double().cpu().numpy()
        return super().forward(x) / float(1 + np.linalg.norm(bias))


class UnrollsTheBatch(Map):
    def forward(self, x):
        whole = super().forward(x[:0])
        return torch.cat([whole, *(super(UnrollsTheBatch, self).forward(x[row, None]) for row in range(len(x)))])
