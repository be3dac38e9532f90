"""Compiling: one graph, whatever the numbers and however many rows."""

from __future__ import annotations

import glulam
from tests.contract.museum.exhibit import shown
from tests.contract.museum.good import MapConfig, PoolConfig

GITHUB = "https://github.com"


@glulam.layer
class LeakyConfig(MapConfig):
    """A leaky rectifier of a linear map."""

    module = "compiling:Leaky"


@glulam.layer
class ReadsANumberConfig(MapConfig):
    """It asks for the value of a tensor with `.item()`, and divides by it."""

    module = "compiling:ReadsANumber"


@glulam.layer
class BranchesOnDataConfig(LeakyConfig):
    """It skips the rectifier where nothing is negative, by an `if` on the numbers."""

    module = "compiling:BranchesOnData"


@glulam.layer
class GathersWhatIsThereConfig(PoolConfig):
    """It maps the tokens that are there alone, of which there are as many as the data say."""

    module = "compiling:GathersWhatIsThere"


@glulam.layer
class LeavesTorchConfig(MapConfig):
    """It computes a scale in NumPy."""

    module = "compiling:LeavesTorch"


@glulam.layer
class UnrollsTheBatchConfig(MapConfig):
    """It loops over the rows, and an exported program is one for so many rows."""

    module = "compiling:UnrollsTheBatch"


EXHIBITS = [
    shown(
        ReadsANumberConfig,
        MapConfig,
        "compiles",
        f"{GITHUB}/PrimeIntellect-ai/prime-rl/issues/996 a graph break at .tolist() and .item()",
    ),
    shown(
        BranchesOnDataConfig,
        LeakyConfig,
        "compiles",
        f"{GITHUB}/pytorch/pytorch/issues/194768 data-dependent branching fails with fullgraph",
    ),
    shown(GathersWhatIsThereConfig, PoolConfig, "compiles"),
    shown(LeavesTorchConfig, MapConfig, "compiles"),
    shown(UnrollsTheBatchConfig, MapConfig, "exports"),
]
