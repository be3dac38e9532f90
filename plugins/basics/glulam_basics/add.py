"""Adding keys."""

from __future__ import annotations

from torch import Tensor, nn

from glulam_basics._one_shape import one_shape

__all__ = ["Add"]


class Add(nn.Module):
    """Adds tensors of one shape."""

    def forward(self, first: Tensor, *others: Tensor) -> Tensor:
        """Return the sum, `[..., dims]` as each input is.

        Raises:
            GlulamError: if the shapes differ.
        """
        one_shape("add", first, others)
        for other in others:
            first = first + other
        return first
