"""What a plain policy knows of its world, in numbers."""

from dataclasses import dataclass

import torch

__all__ = ["UNKNOWN", "World"]

BYTE = 256
UNKNOWN = 255  # the number of what has no name


@dataclass(frozen=True)
class World:
    """A view, and the features by id.

    A feature is an amount or a category (a tag, an action). An amount is one name, a category is one for each of its
    values; amounts are numbered first, each kind in the order of ids.
    """

    height: int
    width: int
    num_actions: int
    amounts: dict[int, float]  # feature id: what its values are divided by
    categories: dict[int, int]  # feature id: how many values it has
    global_location: int = 254  # of a token that belongs to no place
    padding: int = 255

    @property
    def num_names(self):
        return len(self.amounts) + sum(self.categories.values())

    def remap(self):
        """Return the name's number by feature id and value, `[256, 256]`."""
        table = torch.full((BYTE, BYTE), UNKNOWN)
        for number, feature in enumerate(sorted(self.amounts)):
            table[feature] = number
        number = len(self.amounts)
        for feature, size in sorted(self.categories.items()):
            table[feature, :size] = torch.arange(number, number + size)
            number += size
        return table

    def factors(self):
        """Return what values are divided by, by feature id, `[256]`; a category's value is no amount, and becomes 0."""
        factors = torch.full((BYTE,), torch.inf)
        for feature, factor in self.amounts.items():
            factors[feature] = factor
        return factors
