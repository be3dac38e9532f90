"""Tokens of bytes become numbers, and numbers become features of tokens.

Legend: `B` rows, `N` tokens, `E` width of an embedding, `F` frequencies.
"""

from typing import NamedTuple

import torch
from torch import nn

from tests.benchmarks.plain.world import UNKNOWN

__all__ = ["TokenFeatures", "TokenReader", "cut"]

NAMES = 256


def cut(obs, padding):
    """Return `[B, N, 3]` as long as its longest row."""
    used = (obs[..., 0] != padding).any(0).nonzero()
    return obs[:, : int(used[-1]) + 1 if len(used) else 1]


class Read(NamedTuple):
    """What tokens say, `[B, N]` each."""

    row: torch.Tensor
    column: torch.Tensor
    name: torch.Tensor
    amount: torch.Tensor
    real: torch.Tensor  # neither padding nor without a name
    placed: torch.Tensor  # not global


class TokenReader(nn.Module):
    """Locations are unpacked, features are numbered by name, amounts are normalised."""

    def __init__(self, world):
        super().__init__()
        self.world = world
        self.register_buffer("remap", world.remap(), persistent=False)
        self.register_buffer("factors", world.factors(), persistent=False)

    def forward(self, obs):
        location, feature, value = obs.long().unbind(-1)  # (B, N)
        name = self.remap[feature, value]
        return Read(
            row=location >> 4,
            column=location & 15,
            name=name,
            amount=value / self.factors[feature],
            real=(location != self.world.padding) & (name != UNKNOWN),
            placed=location != self.world.global_location,
        )


class TokenFeatures(nn.Module):
    """The name's embedding, cos and sin of the row, cos and sin of the column, the amount."""

    def __init__(self, world, embed_dim, num_freqs):
        super().__init__()
        self.world = world
        self.width = embed_dim + 4 * num_freqs + 1
        self.read = TokenReader(world)
        self.embedding = nn.Embedding(NAMES, embed_dim, padding_idx=UNKNOWN)
        self.register_buffer("frequencies", 2.0 ** torch.arange(num_freqs), persistent=False)

    def forward(self, obs):
        """Return the features, `[B, N, E + 4 F + 1]`, and which tokens are real, `[B, N]`."""
        tokens = self.read(obs)
        placed = tokens.placed[..., None]  # (B, N, 1)
        row, column = (
            self.angles(place, size)
            for place, size in ((tokens.row, self.world.height), (tokens.column, self.world.width))
        )  # (B, N, F)
        position = [part * placed for part in (row.cos(), row.sin(), column.cos(), column.sin())]
        return torch.cat([self.embedding(tokens.name), *position, tokens.amount[..., None]], dim=-1), tokens.real

    def angles(self, place, size):
        coordinate = (2.0 * place.to(self.frequencies.dtype) - (size - 1)) / (size - 1)  # -1 to 1 over the view
        return coordinate[..., None] * self.frequencies
