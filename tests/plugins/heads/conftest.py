"""Worlds that differ in their actions alone, and the original's figures."""

from pathlib import Path

import numpy as np
import pytest
import torch

from glulam import ActionSpec, EnvSpec, TokenLayout

VECTORS = Path(__file__).parents[2] / "vectors"


@pytest.fixture(scope="session")
def world():
    """Return a function: action names (a word each, or as a list), and what makes them another kind, to a world."""

    def make(actions, **kind):
        names = tuple(actions.split()) if isinstance(actions, str) else tuple(actions)
        return EnvSpec(
            name="world",
            tokens=TokenLayout(count=1),
            view_height=3,
            view_width=3,
            features=(),
            actions=ActionSpec(names=names, **kind),
        )

    return make


@pytest.fixture(scope="session")
def vectors():
    """Return a function: name of a reference policy to its arrays as tensors."""

    def read(name):
        with np.load(VECTORS / f"{name}.npz") as arrays:
            wanted = [key for key in arrays.files if key.startswith(("out/", "w/act", "w/critic"))]
            return {key: torch.from_numpy(arrays[key]) for key in wanted}

    return read
