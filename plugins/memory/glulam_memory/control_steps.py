"""Control steps: how a plain recurrent kernel runs over segments in which episodes end.

A kernel that knows nothing of resets is given longer rows: a dummy step before each reset, at which two extra
input columns drive the gates so far that the state becomes exactly zero, and dummy steps after the end of the
shorter rows, at which they keep the cell exactly as it is. One call of the kernel then does what a loop of
cells with masks does in T calls.

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
        source: `[L * B]`, the row of a flattened `[B * T]` that each control step takes its input from; a dummy
            takes a neighbour of its own row, whatever it holds.
        target: `[B * T]`, the row of a flattened `[L * B]` that each real step lies in.
        flags: `[L, B, 2]`, bool: at this control step the state is zeroed; is held.
    """

    source: Tensor
    target: Tensor
    flags: Tensor

    @classmethod
    def of(cls, reset: Tensor) -> Timeline:
        """Lay out the control steps for `reset` (`[B, T]`, bool; none at step 0, where the state itself is zeroed)."""
        B, T = reset.shape
        row, step = torch.arange(B, device=reset.device), torch.arange(T, device=reset.device)
        place = step + reset.cumsum(1)  # (B, T)
        L = int(place[:, -1].max()) + 1
        real = torch.zeros(B, L, dtype=torch.bool, device=reset.device).scatter_(1, place, value=True)
        source = real.cumsum(1) - 1 + T * row[:, None]  # (B, L)
        hold = torch.arange(L, device=reset.device) > place[:, -1:]
        flags = torch.stack([~(real | hold), hold], dim=-1)  # (B, L, 2)
        target = place * B + row[:, None]
        return cls(source.t().reshape(-1), target.reshape(-1), flags.transpose(0, 1))

    def spread(self, x: Tensor) -> Tensor:
        """Return `[B, T, D]` as `[L, B, D]`; what the dummy steps hold is of no consequence."""
        L, B, _ = self.flags.shape
        return _TakeRows.apply(x.flatten(0, 1), self.source, self.target).view(L, B, -1)

    def gather(self, y: Tensor, steps: int) -> Tensor:
        """Return the real steps of `[L, B, D]` as `[B, T, D]`; no gradient to speak of reaches the dummies."""
        B = y.shape[1]
        return _TakeRows.apply(y.flatten(0, 1), self.target, self.source).view(B, steps, -1)


class _TakeRows(torch.autograd.Function):
    """`rows[take]` whose gradient is taken too, not added up: several times faster than index_select's own.

    `back` says from which output row each input row takes its gradient. That is right for rows that are taken
    once. A dummy step gets its neighbour's gradient, which its closed gates then multiply by an exact zero.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, take: Tensor, back: Tensor) -> Tensor:  # noqa: ANN401 - autograd's own
        ctx.save_for_backward(take, back)
        return rows.index_select(0, take)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401 - autograd's own
        take, back = ctx.saved_tensors
        taken: Tensor = _TakeRows.apply(grads[0], back, take)
        return taken, None, None
