"""Adding keys."""

from __future__ import annotations

from torch import Tensor, nn

from glulam import GlulamError

__all__ = ["Add"]


class Add(nn.Module):
    """Adds tensors of one shape."""

    def forward(self, first: Tensor, *others: Tensor) -> Tensor:
        """Return the sum, of the shape of each input.

        Raises:
            GlulamError: if the shapes differ; broadcasting would hide a mistake.
        """
        for other in others:
            if other.shape != first.shape:
                msg = f"add: shapes {list(first.shape)} and {list(other.shape)} differ"
                raise GlulamError(msg)
            first = first + other
        return first
