"""Control steps: how a plain recurrent kernel runs over segments in which episodes end.

A kernel that knows nothing of resets is given longer rows: a dummy step before each reset, at which two extra
input columns drive the gates so far that the state becomes exactly zero, and dummy steps after the end of the
shorter rows, at which they keep the cell exactly as it is. A kernel that cannot keep its state to the bit has one
column, and zeros there too. One call of the kernel then does what a loop of cells with masks does in T calls.

Legend: `B` rows, `T` steps, `L` >= T steps with the dummies, `D` width.
"""

from __future__ import annotations

from typing import Any

import attrs
import torch
from torch import Tensor

__all__ = ["Timeline"]


@attrs.frozen(eq=False)
class Timeline:
    """Where the steps of `[B, T]` lie among `[L, B]` control steps.

    Attributes:
        source: `[L * B]`, the row of a flattened `[B * T]` that each control step stands for; a dummy has a
            neighbour's, which keeps rows apart.
        target: `[B * T]`, the row of a flattened `[L * B]` that each real step lies in.
        flags: `[L * B, 2]`, bool: at this control step the state is zeroed; is held. Or `[L * B, 1]`: is zeroed.
        shape: `(B, T, L)`.
    """

    source: Tensor
    target: Tensor
    flags: Tensor
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, reset: Tensor, *, holds: bool = True) -> Timeline:
        """Lay out the control steps for `reset` (`[B, T]`, bool), which holds nowhere at step 0.

        With `holds` the state is held after the end of shorter rows, without it is zeroed there.
        """
        B, T = reset.shape
        row, step = torch.arange(B, device=reset.device)[:, None], torch.arange(T, device=reset.device)
        place = step + reset.cumsum(1)  # (B, T)
        L = int(place[:, -1].max()) + 1
        real = torch.zeros(B, L, dtype=torch.bool, device=reset.device).scatter_(1, place, value=True)
        source = real.cumsum(1) - 1 + T * row  # (B, L)
        hold = torch.arange(L, device=reset.device) > place[:, -1:]
        flags = torch.stack([~(real | hold), hold] if holds else [~real], dim=-1).transpose(0, 1)  # (L, B, 2 or 1)
        target = place * B + row
        return cls(source.t().flatten(), target.flatten(), flags.flatten(0, 1), (B, T, L))

    @property
    def last(self) -> Tensor:
        """The row of a flattened `[L * B]` in which each row's last real step lies, `[B]`."""
        B, T, _ = self.shape
        return self.target.view(B, T)[:, -1]

    def spread(self, x: Tensor) -> Tensor:
        """Return `x` (`[B, T, D]`) as `[L, B, D + 1 or 2]`, with the flags; dummies hold zeros."""
        B, _, L = self.shape
        return _take_rows(x.flatten(0, 1), self.source, self.target, self.flags).view(L, B, -1)

    def flagged(self, y: Tensor) -> Tensor:
        """Return `y` (`[L, B, D]`) as `[L, B, D + 1 or 2]`, with the flags."""
        return torch.cat([y, self.flags.view(*y.shape[:2], -1).to(y.dtype)], dim=2)

    def gather(self, y: Tensor) -> Tensor:
        """Return the real steps of `y` (`[L, B, D]`) as `[B, T, D]`."""
        B, T, _ = self.shape
        return _take_rows(y.flatten(0, 1), self.target, self.source).view(B, T, -1)


def _take_rows(rows: Tensor, take: Tensor, back: Tensor, flags: Tensor | None = None) -> Tensor:
    taken: Tensor = _TakeRows.apply(rows, take, back, flags)  # type: ignore[no-untyped-call]
    return taken


class _TakeRows(torch.autograd.Function):
    """`cat([rows[take], flags], 1)`, the rows zero where flagged, whose gradient is taken as well.

    That is several times faster than adding the gradient up, as autograd does for rows taken any number of times.
    `back` says from which output row each input row takes its gradient, right for rows taken once. A dummy
    gets its neighbour's gradient, which its shut gates then multiply by an exact zero (or see `gru.py`).
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, take: Tensor, back: Tensor, flags: Tensor | None) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(take, back)
        ctx.width = width = rows.shape[1]
        if flags is None:
            return rows.index_select(0, take)
        wide = rows.new_empty(len(take), width + flags.shape[1])
        torch.index_select(rows, 0, take, out=wide[:, :width])  # no copy of what `cat` would copy once more
        wide.index_fill_(0, flags.any(1).nonzero().squeeze(1), 0)  # huge inputs would open shut gates
        wide[:, width:] = flags
        return wide

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401 - autograd's own
        take, back = ctx.saved_tensors
        return _take_rows(grads[0][:, : ctx.width], back, take), None, None, None
