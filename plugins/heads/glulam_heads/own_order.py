"""The policy's own order of actions, in which a head computes so that a world's order changes no bit.

Legend: `B` rows, `A` actions of the present world, `K` those of them that the policy knows, `N` all that it knows,
`C` choices of the present world (one, unless its actions are multi-discrete).
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from glulam_heads.action_rows import ActionRows

if TYPE_CHECKING:
    from glulam import ActionSpec

__all__ = ["OwnOrder"]


class _Known(NamedTuple):
    """The known options of one choice, as (row, column) pairs; choices sort by their first row."""

    options: list[tuple[int, int]]
    choice: int


class OwnOrder(ActionRows):
    """Rows by name, and the way from a world's order of actions to the policy's own and back.

    The policy's own order goes by row; where there are several choices the options of each stand together, and
    the choices go by their first row. Sums and normalisations depend on the order of what they add up, and random
    numbers on the order in which they are drawn; in this order both stay the same in every world that has the
    same known actions. Where a world lists them in this very order, nothing is moved.

    Args:
        limit: how many names there may be; None for any number.

    Attributes:
        sizes: how many known options each choice has, in the policy's own order; choices without one are left out.
        world_sizes: how many options each choice of the world has, in its order.
        columns: `[K]`, the world's column of each known action, in the policy's own order.
        own_rows: `[K]`, the row of each, likewise.
        choices: which choice of the world each of `sizes` is about.
        starts: `[C]`, the world's first column of each of its choices.
    """

    columns: Tensor
    own_rows: Tensor
    choices: Tensor
    starts: Tensor

    def __init__(self, limit: int | None = None) -> None:
        super().__init__(limit)
        self.sizes: tuple[int, ...] = ()
        self.world_sizes: tuple[int, ...] = ()
        for name in ("columns", "own_rows", "choices", "starts"):
            self.register_buffer(name, torch.zeros(0, dtype=torch.int64), persistent=False)

    def take(self, x: Tensor) -> Tensor:
        """Return the known actions' part of `x`, `[..., A]` in the world's order, as `[..., K]` in the policy's own."""
        return x if self.in_order else x.index_select(-1, self.columns)

    def give(self, own: Tensor, rest: Tensor) -> Tensor:
        """Return `own`, `[B, K]` in the policy's own order, as `[B, A]` in the world's.

        Args:
            own: what the known actions have.
            rest: what unknown ones have, one number for each action of the world or for all.
        """
        if self.in_order:
            return own
        return rest.to(own.dtype).expand(own.shape[0], len(self.present)).index_copy(1, self.columns, own)

    def table(self, rows: Tensor) -> Tensor:
        """Return the rows `[A, E]` of the world's actions as a table of all that the policy knows, `[N, E]`.

        A product with it has the same shape, and so the same bits, in every world; an absent action's row is zero.
        """
        if self.in_order:
            return rows
        known = rows.index_select(0, self.columns)
        return rows.new_zeros(len(self.names), rows.shape[1]).index_copy(0, self.own_rows, known)

    def spread(self, x: Tensor) -> Tensor:
        """Return what all known actions have, `[B, N]`, as the world's actions `[B, A]`; an unknown one has 0."""
        return x if self.in_order else self.give(x.index_select(1, self.own_rows), x.new_zeros(()))

    def noise_room(self, own: Tensor) -> Tensor:
        """Return room `[B, N]` for the noise of all actions that the policy knows, to be filled.

        Args:
            own: `[B, K]`, of the dtype and on the device that the noise is to have.
        """
        return own.new_empty(own.shape[0], own.shape[1] if self.actions is None else len(self.names))

    def noise_here(self, noise: Tensor) -> Tensor:
        """Return the noise of the present actions `[B, K]` from that of all `[B, N]`.

        All have some, so that an action which a world lacks does not move the noise of the next row.
        """
        return noise if self.in_order else noise.index_select(1, self.own_rows)

    def _map(self, device: torch.device) -> None:
        super()._map(device)
        if self.actions is None:
            return
        self.world_sizes = self.actions.choices or (len(self.actions.names),)
        known = self._known(self.actions)
        pairs = [pair for choice in known for pair in choice.options]
        self.sizes = tuple(len(choice.options) for choice in known)
        numbers = {
            "columns": [column for _, column in pairs],
            "own_rows": [row for row, _ in pairs],
            "choices": [choice.choice for choice in known],
            "starts": [end - size for end, size in zip(accumulate(self.world_sizes), self.world_sizes, strict=True)],
        }
        for name, values in numbers.items():
            setattr(self, name, torch.tensor(values, dtype=torch.int64, device=device))

    def _known(self, actions: ActionSpec) -> list[_Known]:
        """Return the choices of which an option is known, in the policy's own order."""
        rows = {name: row for row, name in enumerate(self.names)}
        found, column = [], 0
        for choice, size in enumerate(self.world_sizes):
            named = enumerate(actions.names[column : column + size], column)
            options = sorted((rows[name], place) for place, name in named if name in rows)
            found.append(_Known(options, choice))
            column += size
        return sorted(choice for choice in found if choice.options)
