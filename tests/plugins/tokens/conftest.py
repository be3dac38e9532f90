"""The reference vectors; `torch` runs on one thread."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.plugins.tokens.worlds import world

VECTORS = Path(__file__).parents[2] / "vectors"


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Tables of 65,536 rows are quicker made by one thread than by many that wait for a busy core."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def vectors():
    """Arrays of a reference policy by name, as tensors."""

    def load(policy):
        with np.load(VECTORS / f"{policy}.npz") as file:
            return {name: torch.from_numpy(file[name]) for name in file.files}

    return load


@pytest.fixture(scope="session")
def vectors_world():
    """The world of the reference vectors: 24 features with ids 0 to 23, all normalised by 1."""
    return world([(f"feature{number:02}", number, 1.0) for number in range(24)], count=200)
