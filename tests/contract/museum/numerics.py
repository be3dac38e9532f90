"""Numbers: finite ones, with a finite gradient, at zero, at large numbers, and in few bits."""

from __future__ import annotations

import glulam
from tests.contract.museum.exhibit import shown
from tests.contract.museum.good import MapConfig

GITHUB = "https://github.com"


@glulam.layer
class ShareConfig(MapConfig):
    """A softmax of a linear map."""

    module = "numerics:Share"


@glulam.layer
class SoftplusConfig(MapConfig):
    """A softplus of a linear map."""

    module = "numerics:Softplus"


@glulam.layer
class SymlogConfig(MapConfig):
    """A linear map of the logarithms of the inputs' magnitudes, shifted by 1."""

    module = "numerics:Symlog"


@glulam.layer
class StandardConfig(MapConfig):
    """A linear map of the input, standardised row by row."""

    module = "numerics:Standard"


@glulam.layer
class NormedConfig(MapConfig):
    """A linear map, scaled by the input's length."""

    module = "numerics:Normed"


@glulam.layer
class OverflowsInSoftmaxConfig(ShareConfig):
    """It exponentiates without subtracting the largest first."""

    module = "numerics:OverflowsInSoftmax"


@glulam.layer
class OverflowsInSoftplusConfig(SoftplusConfig):
    """`log(1 + exp(y))` as it is written: infinite from 89 on."""

    module = "numerics:OverflowsInSoftplus"


@glulam.layer
class LogOfZeroConfig(SymlogConfig):
    """It takes the logarithm of a magnitude that may be zero."""

    module = "numerics:LogOfZero"


@glulam.layer
class DividesByStdConfig(StandardConfig):
    """It divides by a standard deviation that is zero where all numbers of a row are equal."""

    module = "numerics:DividesByStd"


@glulam.layer
class SqrtAtZeroConfig(NormedConfig):
    """The gradient of its square root is infinite at an input of zeros, and NaN after the chain rule."""

    module = "numerics:SqrtAtZero"


@glulam.layer
class GradientOfStdConfig(NormedConfig):
    """It scales by a standard deviation, whose gradient is NaN where a row is constant."""

    module = "numerics:GradientOfStd"


@glulam.layer
class EpsilonTooSmallConfig(StandardConfig):
    """Its epsilon of 1e-12 is zero in float16."""

    module = "numerics:EpsilonTooSmall"


EXHIBITS = [
    shown(OverflowsInSoftmaxConfig, ShareConfig, "finite_at_extremes"),
    shown(OverflowsInSoftplusConfig, SoftplusConfig, "finite_at_extremes"),
    shown(LogOfZeroConfig, SymlogConfig, "finite_at_extremes"),
    shown(
        DividesByStdConfig,
        StandardConfig,
        "finite_at_extremes",
        f"{GITHUB}/mllam/neural-lam/issues/136 standardisation gives NaN where a field's std is 0",
    ),
    shown(
        SqrtAtZeroConfig,
        NormedConfig,
        "finite_at_extremes",
        f"{GITHUB}/pytorch/pytorch/issues/2421 the gradient of a norm of zero is NaN",
    ),
    shown(
        GradientOfStdConfig,
        NormedConfig,
        "finite_at_extremes",
        f"{GITHUB}/pytorch/pytorch/issues/4320 torch.std: NaN gradient for a constant input",
    ),
    shown(
        EpsilonTooSmallConfig,
        StandardConfig,
        "other_dtypes",
        f"{GITHUB}/pytorch/pytorch/issues/41527 layer_norm with eps 1e-12: NaN for zeros in fp16",
    ),
]
