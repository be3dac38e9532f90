"""Devices by name."""

from __future__ import annotations

import torch

from glulam import GlulamError

__all__ = ["usable_device"]


def usable_device(name: str) -> torch.device:
    """Return a device that tensors can be put on.

    Raises:
        GlulamError: if there is none of that name here.
    """
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        msg = f"device {name!r} cannot be used here: {str(error).splitlines()[0]}; write cpu"
        raise GlulamError(msg) from error
    return device
