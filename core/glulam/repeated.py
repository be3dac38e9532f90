"""Rows that repeat, kept once: what is a function of each row alone is computed once for all that are alike.

A batch of observations holds a hundred thousand tokens and a few thousand different ones.

Legend: `B` rows of a batch, `N` rows a batch row (tokens), `R` distinct ones among them, `W` their width.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import attrs
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

__all__ = ["Repeated", "goes_with_forward"]

MANY = 4096  # rows from which on it takes less time to look for those that are alike than to map them all
REPEATS = 2  # times that a row must be there on the average


@attrs.frozen(eq=False)
class Repeated:
    """A tensor `[B, N, *]` whose rows repeat: the distinct ones, and which of them stands where.

    A module may return it in place of a tensor from a method `repeated`, which takes what `forward` takes. It is
    handed on to modules that say `takes_repeated = True`, and through those that say `row_wise = True`, whose
    `forward` makes each row (`[..., *]`) from the same row of its one input; all others are given the tensor. It is
    differentiable, and nothing of it outlives the call.

    Attributes:
        table: the distinct rows, `[R, *]`.
        index: which of them stands where; tensors that repeat in the same places share it.
    """

    table: Tensor
    index: Index

    @classmethod
    def of(cls, rows: Tensor, codes: Tensor, count: int) -> Repeated | None:
        """Return rows by their distinct ones, or None where writing all of them out is quicker.

        That is so if they are few, if hardly any repeat, under a compiler, `torch.func` or autocast, and where it
        would make a device wait.

        Args:
            rows: `[B, N, *]`.
            codes: `[B, N]`, whole numbers: rows are alike where their codes are.
            count: codes are below it, and memory for so many is needed for a moment (4 bytes each).
        """
        if not _pays(codes):
            return None
        index = Index.of(codes, count)
        if REPEATS * index.first.numel() > codes.numel():
            return None
        return cls(rows.flatten(0, 1).index_select(0, index.first), index)

    @property
    def _flat(self) -> Tensor:
        return self.table.reshape(len(self.table), -1)

    @property
    def shape(self) -> torch.Size:
        """As of the tensor: B, N and the size of a row."""
        return torch.Size((*self.index.row.shape, *self.table.shape[1:]))

    def map(self, function: Callable[[Tensor], Any]) -> Any:  # noqa: ANN401 - one Repeated, or a tuple of them
        """Return what a function of `[1, R, *]` that treats each row alone makes of the rows, one tensor or several."""
        result = function(self.table.unsqueeze(0))
        if isinstance(result, tuple):
            return tuple(Repeated(part.squeeze(0), self.index) for part in result)
        return Repeated(result.squeeze(0), self.index)

    def dense(self) -> Tensor:
        """Return the tensor, `[B, N, *]`."""
        found: Tensor
        if self.table.requires_grad:
            found = _Rows.apply(self._flat, self.index)  # type: ignore[no-untyped-call]  # torch ships it so
        else:
            found = self.table.index_select(0, self.index.row.flatten())
        return found.view(self.shape)

    def sums(self) -> Tensor:
        """Return the sums over `N`, `[B, *]`, of floats."""
        found: Tensor = _Sums.apply(self._flat, self.index)  # type: ignore[no-untyped-call]  # as above
        return found.view(found.shape[0], *self.table.shape[1:])


@attrs.frozen(eq=False, slots=False)
class Index:
    """Which of R distinct rows stands where.

    Attributes:
        row: `[B, N]` int32.
        first: where each of the R is found in the flat rows, `[R]` int64.
    """

    row: Tensor
    first: Tensor

    @classmethod
    def of(cls, codes: Tensor, count: int) -> Index:
        """Return where codes (`[B, N]`, below `count`) are alike, by writing each one's place into a table of codes."""
        flat = codes.flatten().long()
        places = torch.arange(flat.numel(), dtype=torch.int32)
        table = torch.empty(count, dtype=torch.int32)
        chosen = table.scatter_(0, flat, places).gather(0, flat)  # one place a code, whichever was written last
        first = (chosen == places).nonzero().squeeze(1)
        table.scatter_(0, flat.index_select(0, first), torch.arange(first.numel(), dtype=torch.int32))
        return cls(table.gather(0, flat).view(codes.shape), first)

    @cached_property
    def places(self) -> tuple[Tensor, Tensor]:
        """The flat places of each distinct row, one row's after the other's, and where each one's begin (`[R]`)."""
        row = self.row.flatten()
        ends = torch.bincount(row, minlength=self.first.numel()).cumsum(0)
        return row.argsort(), torch.cat((ends.new_zeros(1), ends[:-1]))


class _Rows(torch.autograd.Function):
    """`[B * N, W]` of a table `[R, W]`; its gradient sums over the places of each row, in a fixed order."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, index: Index) -> Tensor:  # noqa: ANN401 - torch's own type
        ctx.index = index
        return table.index_select(0, index.row.flatten())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401 - as above
        places, begins = ctx.index.places
        return embedding_bag(places, grad.contiguous(), begins, mode="sum"), None


class _Sums(torch.autograd.Function):
    """`[B, W]` sums over rows of a table `[R, W]`."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, index: Index) -> Tensor:  # noqa: ANN401 - as above
        ctx.index = index
        return embedding_bag(index.row, table, mode="sum")

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401 - as above
        places, begins = ctx.index.places
        batch_row = places // ctx.index.row.shape[1]
        return embedding_bag(batch_row, grad.contiguous(), begins, mode="sum"), None


def _pays(codes: Tensor) -> bool:
    return (
        codes.numel() >= MANY
        and codes.device.type == "cpu"
        and not torch.compiler.is_compiling()
        and not torch.is_autocast_enabled("cpu")
        and torch._C._functorch.peek_interpreter_stack() is None  # noqa: SLF001 - no public name says the same
    )


def goes_with_forward(module: nn.Module, name: str) -> bool:
    """Whether a module has an attribute that speaks of its `forward`, and not of one that a subclass replaced."""
    places = type(module).__mro__
    forward = next(number for number, cls in enumerate(places) if "forward" in vars(cls))
    return "forward" not in vars(module) and any(vars(cls).get(name) for cls in places[: forward + 1])
