"""Heads: what is said of an action when it is done, is said again in training; what is forbidden is not done."""

from __future__ import annotations

import glulam
from tests.contract.museum.exhibit import shown
from tests.contract.museum.good import HeadConfig

GITHUB = "https://github.com"


@glulam.layer
class ScoresWithoutTheMaskConfig(HeadConfig):
    """It acts with the mask and scores without it."""

    module = "heads:ScoresWithoutTheMask"


@glulam.layer
class ActsHotterConfig(HeadConfig):
    """It acts at a temperature of 2, for exploration, and scores at 1."""

    module = "heads:ActsHotter"


@glulam.layer
class ScoresTheBestConfig(HeadConfig):
    """It scores the likeliest action and not the one that was done."""

    module = "heads:ScoresTheBest"


@glulam.layer
class EntropyOfTheWrongSignConfig(HeadConfig):
    """Its entropy has the wrong sign: a bonus for it makes the policy certain."""

    module = "heads:EntropyOfTheWrongSign"


@glulam.layer
class EntropyIsNanConfig(HeadConfig):
    """A forbidden action has a log probability of minus infinity, and 0 times that is an entropy of NaN."""

    module = "heads:EntropyIsNan"


@glulam.layer
class NothingAllowedIsNanConfig(HeadConfig):
    """A row in which no action is allowed becomes NaN."""

    module = "heads:NothingAllowedIsNan"


@glulam.layer
class ZeroesForbiddenLogitsConfig(HeadConfig):
    """It multiplies logits by the mask: a forbidden action has a logit of 0 and is done now and then."""

    module = "heads:ZeroesForbiddenLogits"


@glulam.layer
class SumsTheBatchConfig(HeadConfig):
    """It sums log probabilities over the batch and not over a row's actions."""

    module = "heads:SumsTheBatch"


@glulam.layer
class ColumnOfLogProbsConfig(HeadConfig):
    """Its log probabilities are `[B, 1]`, against the `[B]` that it declares."""

    module = "heads:ColumnOfLogProbs"


@glulam.layer
class NotNormalisedConfig(HeadConfig):
    """It takes the chosen logits for log probabilities."""

    module = "heads:NotNormalised"


EXHIBITS = [
    shown(
        ScoresWithoutTheMaskConfig,
        HeadConfig,
        "acting_agrees_with_scoring",
        f"{GITHUB}/hill-a/stable-baselines/pull/453 masks in acting and none in training",
    ),
    shown(ActsHotterConfig, HeadConfig, "acting_agrees_with_scoring"),
    shown(ScoresTheBestConfig, HeadConfig, "acting_agrees_with_scoring"),
    shown(
        EntropyOfTheWrongSignConfig,
        HeadConfig,
        "acting_agrees_with_scoring",
        f"{GITHUB}/DLR-RM/stable-baselines3/issues/127 the estimate of the entropy should be negated",
    ),
    shown(
        EntropyIsNanConfig,
        HeadConfig,
        "masks_are_respected",
        f"{GITHUB}/pytorch/pytorch/issues/40553 Categorical: the entropy of logits with -inf is NaN",
    ),
    shown(NothingAllowedIsNanConfig, HeadConfig, "masks_are_respected"),
    shown(
        ZeroesForbiddenLogitsConfig,
        HeadConfig,
        "masks_are_respected",
        f"{GITHUB}/Farama-Foundation/MicroRTS-Py/issues/8 a masked logit of 0 keeps its probability",
    ),
    shown(
        SumsTheBatchConfig,
        HeadConfig,
        "shapes_and_dtypes",
        f"{GITHUB}/PacktPublishing/Tensorflow-2-Reinforcement-Learning-Cookbook/pull/46 summed over the batch",
    ),
    shown(
        ColumnOfLogProbsConfig,
        HeadConfig,
        "shapes_and_dtypes",
        f"{GITHUB}/thu-ml/tianshou/issues/40 log probabilities of another shape than [B, 1] broadcast",
    ),
    shown(NotNormalisedConfig, HeadConfig, "acting_agrees_with_scoring"),
]
