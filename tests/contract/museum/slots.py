"""Slots: whose memory it is, how it grows, is forgotten, and stays out of training and checkpoints."""

from __future__ import annotations

import glulam
from tests.contract.museum.exhibit import shown
from tests.contract.museum.good import RecurrentConfig

GITHUB = "https://github.com"


@glulam.layer
class RemembersByPositionConfig(RecurrentConfig):
    """It keeps memories by a row's place in the batch and not by its environment's id."""

    module = "slots:RemembersByPosition"


@glulam.layer
class GrowthForgetsConfig(RecurrentConfig):
    """When more rows come it makes larger slots, and leaves the old ones' contents behind."""

    module = "slots:GrowthForgets"


@glulam.layer
class NeverForgetsConfig(RecurrentConfig):
    """Its `reset_memory` does nothing."""

    module = "slots:NeverForgets"


@glulam.layer
class TrainingOverwritesConfig(RecurrentConfig):
    """Its sequence leaves the last state of a training segment in the slots of rollout."""

    module = "slots:TrainingOverwrites"


@glulam.layer
class KeepsTheGraphConfig(RecurrentConfig):
    """It keeps its memory with the graph that made it, which grows from step to step."""

    module = "slots:KeepsTheGraph"


@glulam.layer
class SavesItsMemoryConfig(RecurrentConfig):
    """A checkpoint holds the slots, as large as they were, and loads into no new layer."""

    module = "slots:SavesItsMemory"


@glulam.layer
class HidesItsStateConfig(RecurrentConfig):
    """Its step goes by a state of its own in an attribute, whoever the rows are."""

    module = "slots:HidesItsState"


@glulam.layer
class MixesItsSlotsConfig(RecurrentConfig):
    """It writes the rows in the order of their ids, and reads them in the order of the batch."""

    module = "slots:MixesItsSlots"


@glulam.layer
class BeginsOnTheCpuConfig(RecurrentConfig):
    """Its first state is on the CPU, wherever the layer is."""

    module = "slots:BeginsOnTheCpu"


EXHIBITS = [
    shown(RemembersByPositionConfig, RecurrentConfig, "env_isolation"),
    shown(GrowthForgetsConfig, RecurrentConfig, "growth_keeps_memory"),
    shown(NeverForgetsConfig, RecurrentConfig, "reset_memory_is_fresh"),
    shown(TrainingOverwritesConfig, RecurrentConfig, "training_leaves_memory_alone"),
    shown(
        KeepsTheGraphConfig,
        RecurrentConfig,
        "no_graph_across_steps",
        f"{GITHUB}/MorvanZhou/PyTorch-Tutorial/issues/57 a hidden state with its graph: backward a second time",
    ),
    shown(
        SavesItsMemoryConfig,
        RecurrentConfig,
        "memory_not_in_checkpoint",
        f"{GITHUB}/vinecopulib/pyvinecopulib/pull/264 a checkpoint taken after a call loads into no fresh model",
    ),
    shown(
        HidesItsStateConfig,
        RecurrentConfig,
        "time_folding",
        f"{GITHUB}/fastai/fastbook/pull/469 self.h in an RNN, and a batch of another size",
    ),
    shown(MixesItsSlotsConfig, RecurrentConfig, "env_isolation"),
    shown(BeginsOnTheCpuConfig, RecurrentConfig, "meta_device"),
]
