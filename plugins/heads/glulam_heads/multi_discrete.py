"""The categorical distributions over the options of several choices.

Legend: `B` rows, `A` options of the present world, `K` those of them that the policy knows, `C` choices of the world.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import log_softmax

from glulam_heads.categorical import CategoricalHead, lowest

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MultiDiscreteDistribution"]


class MultiDiscreteDistribution(CategoricalHead):
    """One option of each choice, `[B, C]` int64: its number within the choice, as the world counts.

    Choices are independent: log probabilities and entropies are sums over them. A choice of which the policy knows
    no option takes its first that is allowed, and counts for nothing in either.
    """

    kind = "multi-discrete"

    def _own(self, x: Tensor) -> Tensor:
        self.rows()  # no world, no choices
        return super()._own(x)

    def _normalized(self, own: Tensor) -> Tensor:
        return torch.cat([log_softmax(part, -1) for part in own.split_with_sizes(self.rows.sizes, -1)], -1)

    def _winners(self, race: Tensor, mask: Tensor | None) -> Tensor:
        rows = self.rows
        parts = race.split_with_sizes(rows.sizes, -1)
        if rows.in_order:
            return torch.stack([part.argmax(-1) for part in parts], -1)
        columns = rows.columns.split_with_sizes(rows.sizes)
        picked = [column[part.argmax(-1)] for column, part in zip(columns, parts, strict=True)]
        options = torch.stack(picked, -1) - rows.starts[rows.choices]
        return self._first_options(race, mask).index_copy(1, rows.choices, options)  # (B, C)

    def _first_options(self, race: Tensor, mask: Tensor | None) -> Tensor:
        """Return the first allowed option of each choice, `[B, C]`; the first of all where none is."""
        sizes = self.rows.world_sizes
        if mask is None or len(self.rows.sizes) == len(sizes):
            return self.rows.starts.new_zeros(race.shape[0], len(sizes))
        return torch.stack([part.int().argmax(-1) for part in mask.split_with_sizes(sizes, -1)], -1)

    def _log_prob(self, full: Tensor, actions: Tensor) -> Tensor:
        each = full.gather(-1, actions + self.rows.starts)  # (B, C)
        if not self.rows.in_order:
            each = each.index_select(-1, self.rows.choices)
        # Two options of the lowest log probability add up to -inf.
        return each.sum(-1).clamp_min(lowest(each))
