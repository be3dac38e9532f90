"""Gradients: to every weight and every input that is a number."""

from __future__ import annotations

import glulam
from tests.contract.museum.exhibit import shown
from tests.contract.museum.good import MapConfig

GITHUB = "https://github.com"


@glulam.layer
class TwoWaysConfig(MapConfig):
    """The sum of two linear maps, one of them squashed."""

    module = "gradients:TwoWays"


@glulam.layer
class ChoiceConfig(MapConfig):
    """Learned rows, weighted by a softmax of learned scores."""

    module = "gradients:Choice"


@glulam.layer
class RoundedConfig(MapConfig):
    """A linear map of the input in steps of 1/4, with the gradient of the input itself."""

    module = "gradients:Rounded"


@glulam.layer
class CodeConfig(MapConfig):
    """The nearest of some learned rows, with the gradient of what it stands for."""

    module = "gradients:Code"


@glulam.layer
class DetachedBranchConfig(TwoWaysConfig):
    """One of its branches is detached: its weights are never trained."""

    module = "gradients:DetachedBranch"


@glulam.layer
class UnusedWeightsConfig(MapConfig):
    """It has weights that no output depends on."""

    module = "gradients:UnusedWeights"


@glulam.layer
class PicksTheBestConfig(ChoiceConfig):
    """An argmax in the path: the scores never get a gradient."""

    module = "gradients:PicksTheBest"


@glulam.layer
class NeverTrainsConfig(MapConfig):
    """Its call is decorated with `no_grad`, left over from a time when it was frozen."""

    module = "gradients:NeverTrains"


@glulam.layer
class GoesThroughDataConfig(MapConfig):
    """It reads its weights through `.data`, past the graph."""

    module = "gradients:GoesThroughData"


@glulam.layer
class RoundsItsInputConfig(RoundedConfig):
    """Its rounding has a gradient of zero everywhere."""

    module = "gradients:RoundsItsInput"


@glulam.layer
class PlainLookupConfig(CodeConfig):
    """The row that it looks up is trained, and the input that it was looked up with gets no gradient."""

    module = "gradients:PlainLookup"


EXHIBITS = [
    shown(
        DetachedBranchConfig,
        TwoWaysConfig,
        "gradient_to_every_parameter",
        f"{GITHUB}/state-spaces/s4/issues/26 parameters used in forward that get no gradient",
    ),
    shown(UnusedWeightsConfig, MapConfig, "gradient_to_every_parameter"),
    shown(
        PicksTheBestConfig,
        ChoiceConfig,
        "gradient_to_every_parameter",
        f"{GITHUB}/Justin-Tan/generative-compression/issues/27 argmin in the path: the encoder is not updated",
    ),
    shown(NeverTrainsConfig, MapConfig, "gradient_to_every_parameter"),
    shown(GoesThroughDataConfig, MapConfig, "gradient_to_every_parameter"),
    shown(
        RoundsItsInputConfig,
        RoundedConfig,
        "gradient_to_every_input",
        f"{GITHUB}/pytorch/ao/pull/4806 a straight-through estimator silently lost",
    ),
    shown(
        PlainLookupConfig,
        CodeConfig,
        "gradient_to_every_input",
        f"{GITHUB}/moskomule/dda/issues/2 no way to return the gradient to the operation before",
    ),
]
