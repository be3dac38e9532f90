"""Whether all ranks have the same weights, to the bit."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch

from glulam_train.ranks import RankError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from glulam_train.ranks import Ranks

__all__ = ["check_equal"]


def check_equal(tensors: Mapping[str, Tensor], ranks: Ranks) -> None:
    """Refuse to go on where ranks have come apart: where tensors (`[...]`, by name) are not the same on all.

    Raises:
        RankError: naming the first tensor that differs, and the rank.
    """
    if ranks.size == 1:
        return
    sums = ranks.gather({name: _checksum(tensor) for name, tensor in tensors.items()})
    for rank, theirs in enumerate(sums):
        for name, known in sums[0].items():
            if theirs.get(name) != known:
                msg = (
                    f"rank {rank} has come apart from rank 0: {name} differs. Each must learn by the same sums: look "
                    "for a layer or loss that changes its weights by itself, or for machines with other versions or "
                    "processors. The last checkpoint is intact"
                )
                raise RankError(msg)


def _checksum(tensor: Tensor) -> str:
    plain = tensor.detach().cpu().contiguous().reshape(-1)
    return hashlib.sha256(plain.view(torch.uint8).numpy().tobytes()).hexdigest() if plain.numel() else ""
