"""Multiplying keys."""

from __future__ import annotations

from torch import Tensor, nn

from glulam_basics._one_shape import one_shape

__all__ = ["Multiply"]


class Multiply(nn.Module):
    """Multiplies tensors of one shape, number by number."""

    def forward(self, first: Tensor, *others: Tensor) -> Tensor:
        """Return the product, `[..., dims]` as each input is.

        Raises:
            GlulamError: if the shapes differ.
        """
        one_shape("multiply", first, others)
        for other in others:
            first = first * other
        return first
