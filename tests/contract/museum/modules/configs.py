"""See `configs.py` one folder up."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from tests.contract.museum.modules.good import Map


class Stack(nn.Sequential):
    def __init__(self, in_dim, sizes, out_dim):
        super().__init__(*(Map(*widths) for widths in pairwise((in_dim, *sizes, out_dim))))
