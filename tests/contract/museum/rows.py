"""Rows: each by itself, in any order, any number of them."""

from __future__ import annotations

import glulam
from tests.contract.museum.exhibit import shown
from tests.contract.museum.good import MapConfig, PoolConfig, make
from tests.contract.museum.keys import ValueConfig

GITHUB = "https://github.com"


@glulam.layer
class AttendConfig(PoolConfig):
    """The tokens that are there, weighted by a softmax over them; zeros where there are none."""

    module = "rows:Attend"


@glulam.layer
class PlacedConfig(PoolConfig):
    """A mean of tokens, each with a learned vector of its position added."""

    module = "rows:Placed"
    length: int = 512

    def build(self):
        return make(self.module, self.in_dim, self.out_dim, self.length)


@glulam.layer
class LayerNormConfig(MapConfig):
    """A linear map, normalised row by row."""

    module = "rows:LayerNorm"


@glulam.layer
class UsesBatchStatisticsConfig(LayerNormConfig):
    """It normalises by the mean and variance of the batch, in acting as in training."""

    module = "rows:UsesBatchStatistics"


@glulam.layer
class NormalisesTheBatchConfig(LayerNormConfig):
    """It has an `nn.BatchNorm1d`, which refuses a batch of one and moves its statistics in training mode."""

    module = "rows:NormalisesTheBatch"


@glulam.layer
class CentresOnTheBatchConfig(MapConfig):
    """It takes the mean of dim 0, which are the rows, for that of the columns."""

    module = "rows:CentresOnTheBatch"


@glulam.layer
class SqueezesTheBatchConfig(ValueConfig):
    """Its `squeeze()` without a dim drops a batch of one."""

    module = "rows:SqueezesTheBatch"


@glulam.layer
class ViewsItsInputConfig(PoolConfig):
    """Its `view` fails on an input that is not contiguous."""

    module = "rows:ViewsItsInput"


@glulam.layer
class PlacesByRowConfig(PlacedConfig):
    """It adds the vector of the row's number in the batch and not of the token's in the row."""

    module = "rows:PlacesByRow"


@glulam.layer
class AttendsAcrossRowsConfig(AttendConfig):
    """Its softmax runs over the rows of the batch and not over a row's tokens."""

    module = "rows:AttendsAcrossRows"


@glulam.layer
class OneMaskForAllConfig(PoolConfig):
    """It uses the first row's mask for all rows."""

    module = "rows:OneMaskForAll"


@glulam.layer
class StacksNoRowsConfig(MapConfig):
    """It loops over the rows and stacks, which fails for a batch without rows."""

    module = "rows:StacksNoRows"


EXHIBITS = [
    shown(
        UsesBatchStatisticsConfig,
        LayerNormConfig,
        "row_alone",
        f"{GITHUB}/openai/coinrun/issues/41 batch norm always has is_training=True",
    ),
    shown(
        NormalisesTheBatchConfig,
        LayerNormConfig,
        "row_alone",
        f"{GITHUB}/DLR-RM/stable-baselines3/issues/535 predicting with batch norm fails or is random",
    ),
    shown(CentresOnTheBatchConfig, MapConfig, "row_alone"),
    shown(
        SqueezesTheBatchConfig,
        ValueConfig,
        "batch_of_none_and_one",
        f"{GITHUB}/NVIDIA/tacotron2/pull/303 squeeze() drops a batch of one",
    ),
    shown(
        ViewsItsInputConfig,
        PoolConfig,
        "non_contiguous_input",
        f"{GITHUB}/meta-pytorch/captum/pull/436 view() where the input need not be contiguous",
    ),
    shown(
        PlacesByRowConfig,
        PlacedConfig,
        "batch_permutation",
        f"{GITHUB}/songyangco/GETNext/issues/2 positional encoding added along the batch",
    ),
    shown(
        AttendsAcrossRowsConfig,
        AttendConfig,
        "row_alone",
        f"{GITHUB}/PetrochukM/PyTorch-NLP/issues/2 attention's softmax over the batch",
    ),
    shown(
        OneMaskForAllConfig,
        PoolConfig,
        "batch_permutation",
        f"{GITHUB}/unslothai/unsloth/issues/3699 one row's positions used for all of a padded batch",
    ),
    shown(StacksNoRowsConfig, MapConfig, "batch_of_none_and_one"),
]
