"""Copies: to other dtypes and devices, to a file, in memory, in a new process, beside another instance."""

from __future__ import annotations

import glulam
from tests.contract.museum.exhibit import shown
from tests.contract.museum.good import MapConfig, TableConfig

GITHUB = "https://github.com"


@glulam.layer
class ScaledConfig(MapConfig):
    """A linear map, scaled column by column by a constant that is drawn once."""

    module = "copies:Scaled"


@glulam.layer
class ColumnsConfig(MapConfig):
    """A linear map, made of one a column."""

    module = "copies:Columns"


@glulam.layer
class FloatByHandConfig(MapConfig):
    """It computes in float32, whatever the policy's own dtype, and answers in it."""

    module = "copies:FloatByHand"


@glulam.layer
class CpuInForwardConfig(ScaledConfig):
    """It makes a tensor in each call, on the CPU wherever the input is."""

    module = "copies:CpuInForward"


@glulam.layer
class PlainTensorConfig(ScaledConfig):
    """Its scale is a plain attribute: neither moved nor saved."""

    module = "copies:PlainTensor"


@glulam.layer
class ListOfBuffersConfig(ScaledConfig):
    """It reads its buffer through a list, which still holds the old tensor after a move."""

    module = "copies:ListOfBuffers"


@glulam.layer
class NotSavedConfig(ScaledConfig):
    """Its scale is a buffer that no checkpoint holds, and is drawn anew in a new layer."""

    module = "copies:NotSaved"


@glulam.layer
class MadeInForwardConfig(MapConfig):
    """It makes its weights at the first call, so that a new layer loads no checkpoint."""

    module = "copies:MadeInForward"


@glulam.layer
class NamesAsASetConfig(TableConfig):
    """What it saves beside its weights is a set, which no file of JSON holds."""

    module = "copies:NamesAsASet"


@glulam.layer
class LambdaInsideConfig(MapConfig):
    """It keeps a lambda in an attribute, which cannot be pickled."""

    module = "copies:LambdaInside"


@glulam.layer
class CopiesShareConfig(MapConfig):
    """A deep copy goes on computing with the original's weights, through a callable that holds them."""

    module = "copies:CopiesShare"


@glulam.layer
class OneForAllConfig(ScaledConfig):
    """Its buffer is the same tensor in all instances; loading into one changes the others."""

    module = "copies:OneForAll"


@glulam.layer
class CountsOnTheClassConfig(MapConfig):
    """It counts its calls on the class, and scales by the count: what one instance does, the others feel."""

    module = "copies:CountsOnTheClass"


@glulam.layer
class OrderOfASetConfig(ColumnsConfig):
    """Its columns stand in the order of a set of names, which is another in each process."""

    module = "copies:OrderOfASet"


EXHIBITS = [
    shown(
        FloatByHandConfig,
        MapConfig,
        "other_dtypes",
        f"{GITHUB}/huggingface/transformers/issues/47743 float32 by hand, and no bfloat16",
    ),
    shown(
        CpuInForwardConfig,
        ScaledConfig,
        "meta_device",
        f"{GITHUB}/wingedsheep/transformer/issues/4 a tensor made on the CPU in forward",
    ),
    shown(
        PlainTensorConfig,
        ScaledConfig,
        "meta_device",
        f"{GITHUB}/pytorch/audio/pull/457 phase_advance should be a buffer so that it moves",
    ),
    shown(
        ListOfBuffersConfig,
        ScaledConfig,
        "meta_device",
        f"{GITHUB}/pytorch/pytorch/issues/29807 a list of registered buffers does not move",
    ),
    shown(NotSavedConfig, ScaledConfig, "state_round_trip"),
    shown(
        MadeInForwardConfig,
        MapConfig,
        "state_round_trip",
        f"{GITHUB}/pytorch/pytorch/issues/921 a layer made in forward is an unexpected key",
    ),
    shown(NamesAsASetConfig, TableConfig, "state_round_trip"),
    shown(
        LambdaInsideConfig,
        MapConfig,
        "copies_and_processes",
        f"{GITHUB}/webdataset/webdataset/issues/361 a local function inside, and no spawn",
    ),
    shown(
        CopiesShareConfig,
        MapConfig,
        "copies_and_processes",
        f"{GITHUB}/facebookresearch/fairscale/issues/816 a deep copy's forward calls the original's",
    ),
    shown(
        OneForAllConfig,
        ScaledConfig,
        "independent_instances",
        f"{GITHUB}/kornia/kornia/issues/4068 a process-global tensor as a buffer; loading corrupts every instance",
    ),
    shown(
        CountsOnTheClassConfig,
        MapConfig,
        "deterministic_under_seed",
        f"{GITHUB}/mesa/mesa/issues/1438 class attributes updated by every new instance",
    ),
    shown(
        OrderOfASetConfig,
        ColumnsConfig,
        "works_in_a_new_process",
        f"{GITHUB}/UCL/TLOmodel/pull/419 the order of a set is another in each process",
    ),
]
