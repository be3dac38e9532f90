"""Fourier features of positions, in units of the policy's own view.

Legend: `E` width of a name's embedding, `F` frequencies.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from glulam import GlulamError
from glulam_tokens._tokenizer import LOCATIONS, NO_PLACE, Tokenizer, offsets

__all__ = ["FourierPositions"]

View = tuple[int, int]  # height, width


class FourierPositions(Tokenizer):
    """The base of tokenisers whose positions are Fourier features.

    Coordinates run from -1 to 1 over the view of the first world, the policy's own, which is saved with the weights
    and stays. In another view a cell has the coordinate that the cell as far from the agent has in the own view,
    beyond [-1, 1] where that has no such cell: one cell north looks the same in views of all sizes.

    Args:
        attr_embed_dim: E.
        num_freqs: F; coordinates are multiplied by 2^0 .. 2^(F-1), no pi.
        embedding_std: scale of the initial embeddings.
    """

    def __init__(self, attr_embed_dim: int, num_freqs: int, embedding_std: float) -> None:
        super().__init__(attr_embed_dim, embedding_std)
        self.num_freqs = num_freqs
        self.own_view: View | None = None

    def set_positions(self, device: torch.device) -> None:
        """Make the table for the present view, which becomes the own one if there is none yet."""
        self.own_view = self.own_view or self.view
        super().set_positions(device)

    def position_table(self, height: int, width: int) -> Tensor:
        """Return cos and sin of the row coordinate, cos and sin of the column's, `[256, 4 F]` float64."""
        own = self.own_view or (height, width)
        scales = 2.0 ** torch.arange(self.num_freqs, dtype=torch.float64)
        blocks: list[Tensor] = []
        for offset, size in zip(offsets(height, width).unbind(-1), own, strict=True):
            angles = _scaled(offset, size)[:, None] * scales  # (256, F)
            blocks += [angles.cos(), angles.sin()]
        table = torch.cat(blocks, dim=-1)
        table[list(NO_PLACE)] = 0
        return table

    def get_extra_state(self) -> dict[str, Any]:
        """Return the own view as plain JSON values, None before any world."""
        return {"view": None if self.own_view is None else list(self.own_view)}

    def set_extra_state(self, state: Any) -> None:  # noqa: ANN401 - comes from a file
        """Take over the own view of a saved policy, in the world that this one is in.

        Raises:
            GlulamError: if the state is no view.
        """
        self.own_view = _view(state)
        self.set_positions(self.positions.device)


def _scaled(offset: Tensor, size: int) -> Tensor:
    """Return coordinates of cells so far from the agent's, cell `size // 2` of `size` that run from -1 to 1."""
    if size == 1:  # no extent, and so no unit: all is in the middle
        return torch.zeros(LOCATIONS, dtype=torch.float64)
    return (2 * (offset + size // 2) - (size - 1)).double() / (size - 1)


def _view(state: object) -> View | None:
    view = state.get("view", ()) if isinstance(state, dict) else ()
    if view is None:
        return None
    match view:
        case [int(height), int(width)] if height > 0 and width > 0:
            return height, width
    msg = f"the saved view is {state!r}, expected {{'view': [height, width]}}"
    raise GlulamError(msg)
