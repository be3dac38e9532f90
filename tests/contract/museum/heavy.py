"""A config whose module imports torch; alone, so that no other exhibit's does."""

from __future__ import annotations

import torch

import glulam
from tests.contract.museum.exhibit import shown
from tests.contract.museum.good import MapConfig


@glulam.layer
class ImportsTorchConfig(MapConfig):
    """Importing its config imports torch, which every listing of the layers then waits for."""

    device: str = str(torch.get_default_device())


EXHIBITS = [shown(ImportsTorchConfig, MapConfig, "quiet_import")]
