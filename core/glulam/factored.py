"""Rows that are looked up in tables, handed on as look-ups: what reads them need not have them written out.

Legend: `B` rows of a batch, `N` rows a batch row (tokens), `D` their width, `R` rows of a table, `W` width of a result.
"""

from __future__ import annotations

from typing import NamedTuple

import attrs
import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, embedding_bag

__all__ = ["Factored", "Lookup"]


class Lookup(NamedTuple):
    """Some columns of the rows: `weight * table[row]`.

    Attributes:
        table: `[R, width]`.
        row: `[B, N]`, int32 or int64; None where the table has one row, which all take.
        weight: `[B, N]`; None for 1.
    """

    table: Tensor
    row: Tensor | None = None
    weight: Tensor | None = None


@attrs.frozen(eq=False)
class Factored:
    """A tensor `[B, N, D]` whose columns, side by side, are looked up in tables.

    A module may write it in place of the tensor from a method `factored`, with the arguments of its `forward`, if all
    that read the key say `takes_factored = True`. In rollout a set of tokens is large and its tables are small: what
    a linear map makes of the tables is looked up then, and no token is mapped. The tables are mapped in each call, so
    that weights which have changed are never missed.

    Attributes:
        lookups: at least one; one of them has rows or weights.
    """

    lookups: tuple[Lookup, ...]

    @property
    def shape(self) -> torch.Size:
        """B, N and D."""
        sized = next(x for lookup in self.lookups for x in (lookup.row, lookup.weight) if x is not None)
        return torch.Size((*sized.shape, sum(lookup.table.shape[1] for lookup in self.lookups)))

    @staticmethod
    def pays(tokens: Tensor) -> bool:
        """Whether look-ups of tokens `[B, N, ...]` are quicker than the tensor: many, on a CPU, without a gradient."""
        return (
            tokens.device.type == "cpu"
            and not torch.is_grad_enabled()
            and not torch.compiler.is_compiling()
            and tokens.shape[0] * tokens.shape[1] > MANY
        )

    def dense(self) -> Tensor:
        """Return the tensor, `[B, N, D]`."""
        shape = self.shape[:2]
        columns = []
        for table, row, weight in self.lookups:
            part = table.expand(*shape, -1) if row is None else embedding(row, table)
            columns.append(part if weight is None else part * weight.unsqueeze(-1))
        return torch.cat(columns, -1)

    def normalized(self, norm: nn.LayerNorm, weight: Tensor | None = None) -> Tensor:
        """Return a LayerNorm over the columns, and a linear map of it: `[B, N, W]`.

        With mean m and deviation 1 / r of a row, weight V, gain g and bias b of the norm the map of a row x is
        r V (g x) - r m V g + V b; V (g x) is a sum over tables, and m and r are made of sums over tables too.

        Args:
            norm: over D, with weight and bias.
            weight: `[W, D]`; None for no map (W = D).
        """
        B, N, D = self.shape
        gained = torch.diag(norm.weight) if weight is None else weight * norm.weight  # (W, D)
        tables: list[Tensor] = []
        picks = torch.empty(B * N, len(self.lookups) + 2, dtype=torch.int32)
        shares = torch.ones(B * N, len(self.lookups) + 2, dtype=gained.dtype)
        total, squares = torch.zeros((), dtype=gained.dtype), torch.zeros((), dtype=gained.dtype)
        offset = column = 0
        for number, (table, row, factor) in enumerate(self.lookups):
            width = table.shape[1]
            tables.append(table @ gained[:, column : column + width].t())
            sums, square = table.sum(1), table.square().sum(1)  # (R,)
            picks[:, number] = offset
            if row is not None:
                picks[:, number] += row.reshape(-1)
                sums, square = sums.index_select(0, row.reshape(-1)), square.index_select(0, row.reshape(-1))  # (B N,)
            if factor is not None:
                shares[:, number] = factor.reshape(-1)
                sums, square = sums * shares[:, number], square * shares[:, number].square()
            total, squares = total + sums, squares + square
            offset, column = offset + len(table), column + width
        mean = total / D
        scale = (squares / D - mean.square()).clamp_min_(0).add_(norm.eps).rsqrt_()  # (B N,)
        tables += [gained.sum(1)[None], (norm.bias if weight is None else weight @ norm.bias)[None]]
        picks[:, -2], picks[:, -1] = offset, offset + 1
        shares[:, -2] = -mean
        shares[:, :-1] *= scale[:, None]
        return embedding_bag(picks, torch.cat(tables), mode="sum", per_sample_weights=shares).view(B, N, -1)


MANY = 4096  # tokens from which on mapping some hundred rows of tables takes less time than mapping the tokens
