"""Randomness: none that is not needed, from torch's stream alone, seeded by nobody but the user."""

from __future__ import annotations

import glulam
from tests.contract.museum.exhibit import shown
from tests.contract.museum.good import MapConfig

GITHUB = "https://github.com"


@glulam.layer
class DropoutLeftOnConfig(MapConfig):
    """Its dropout is on in evaluation too, so that a policy acts otherwise each time."""

    module = "randomness:DropoutLeftOn"


@glulam.layer
class SeedsTheWorldConfig(MapConfig):
    """It calls `torch.manual_seed` while it is built, to have the same weights each time."""

    module = "randomness:SeedsTheWorld"


@glulam.layer
class SeedsNumpyConfig(MapConfig):
    """It calls `numpy.random.seed` in each call."""

    module = "randomness:SeedsNumpy"


@glulam.layer
class NoiseOfNumpyConfig(MapConfig):
    """Its noise comes from NumPy's global stream, which torch's seed does not reach."""

    module = "randomness:NoiseOfNumpy"


@glulam.layer
class NoiseOfPythonConfig(MapConfig):
    """Its weights are drawn by Python's `random`, which torch's seed does not reach."""

    module = "randomness:NoiseOfPython"


@glulam.layer
class OwnGeneratorConfig(MapConfig):
    """Its weights are drawn by a generator of its own that nobody seeds."""

    module = "randomness:OwnGenerator"


EXHIBITS = [
    shown(
        DropoutLeftOnConfig,
        MapConfig,
        "random_streams_untouched",
        f"{GITHUB}/DLR-RM/stable-baselines3/pull/537 dropout stays on in evaluation",
    ),
    shown(
        SeedsTheWorldConfig,
        MapConfig,
        "random_streams_untouched",
        f"{GITHUB}/huggingface/diffusers/issues/175 torch.manual_seed where a generator was meant",
    ),
    shown(
        SeedsNumpyConfig,
        MapConfig,
        "random_streams_untouched",
        f"{GITHUB}/Qiskit/qiskit/issues/2850 side effects of setting numpy.random.seed",
    ),
    shown(NoiseOfNumpyConfig, MapConfig, "deterministic_under_seed"),
    shown(NoiseOfPythonConfig, MapConfig, "deterministic_under_seed"),
    shown(OwnGeneratorConfig, MapConfig, "deterministic_under_seed"),
]
