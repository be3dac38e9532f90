"""See `randomness.py` one folder up."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch.nn.functional import dropout

from tests.contract.museum.modules.good import Map


class DropoutLeftOn(Map):
    def forward(self, x):
        return dropout(super().forward(x), 0.5, training=True)


class SeedsTheWorld(Map):
    def __init__(self, in_dim, out_dim):
        torch.manual_seed(0)
        super().__init__(in_dim, out_dim)


class SeedsNumpy(Map):
    def forward(self, x):
        np.random.seed(0)  # noqa: NPY002 - the exhibit
        return super().forward(x)


class NoiseOfNumpy(Map):
    def forward(self, x):
        y = super().forward(x)
        return y + torch.as_tensor(np.random.randn(*y.shape), dtype=y.dtype, device=y.device)  # noqa: NPY002 - as above


class NoiseOfPython(Map):
    def __init__(self, in_dim, out_dim):
        super().__init__(in_dim, out_dim)
        with torch.no_grad():
            self.bias.copy_(torch.tensor([random.gauss(0, 1) for _ in range(out_dim)]))


class OwnGenerator(Map):
    def __init__(self, in_dim, out_dim):
        super().__init__(in_dim, out_dim)
        own = torch.Generator()
        own.seed()
        with torch.no_grad():
            self.bias.copy_(torch.randn(out_dim, generator=own))
