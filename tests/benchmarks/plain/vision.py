"""Tokens become a box, and convolutions read it.

Legend: `B` rows, `N` tokens, `C` names, `H` x `W` cells.
"""

import torch
from torch import nn

from tests.benchmarks.plain.tokens import TokenReader

__all__ = ["Box"]


class Box(nn.Module):
    """A box of zeros into which each token is written, `[B, C, H, W]`.

    An amount stands in the channel of its name, a category as 1. A global token stands in the middle, a token outside
    the view nowhere. Of two amounts in a cell the larger one stays.
    """

    def __init__(self, world):
        super().__init__()
        self.world = world
        self.read = TokenReader(world)

    def forward(self, obs):
        height, width, channels = self.world.height, self.world.width, self.world.num_names
        tokens = self.read(obs)
        row = torch.where(tokens.placed, tokens.row, height // 2)
        column = torch.where(tokens.placed, tokens.column, width // 2)
        inside = tokens.real & (row < height) & (column < width)
        index = (tokens.name * height + row) * width + column
        amount = torch.where(tokens.name < len(self.world.amounts), tokens.amount, 1.0)
        # What is nowhere is written as 0 into the first cell, where it changes no maximum.
        box = amount.new_zeros(len(obs), channels * height * width)
        box.scatter_reduce_(1, index * inside, amount * inside, "amax")
        return box.view(-1, channels, height, width)
