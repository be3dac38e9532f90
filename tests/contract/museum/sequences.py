"""Sequences: a segment in training does what the steps did in rollout."""

from __future__ import annotations

import glulam
from tests.contract.museum.exhibit import shown
from tests.contract.museum.good import LstmConfig, RecurrentConfig

GITHUB = "https://github.com"


@glulam.layer
class IgnoresInnerResetsConfig(RecurrentConfig):
    """Its sequence looks at the reset of the first step alone; an episode that begins inside goes on."""

    module = "sequences:IgnoresInnerResets"


@glulam.layer
class SkipsTheFirstResetConfig(RecurrentConfig):
    """Its sequence resets inside the segment and keeps the stored state where the segment begins an episode."""

    module = "sequences:SkipsTheFirstReset"


@glulam.layer
class ResetsAfterTheStepConfig(RecurrentConfig):
    """Its sequence clears the state after the step that begins an episode and not before it."""

    module = "sequences:ResetsAfterTheStep"


@glulam.layer
class KeepsTheCellConfig(LstmConfig):
    """Its sequence resets `h` and forgets to reset `c`."""

    module = "sequences:KeepsTheCell"


@glulam.layer
class LosesTheLastStateConfig(RecurrentConfig):
    """The last state of a row is zero if an episode began inside the segment: it is read from the padding."""

    module = "sequences:LosesTheLastState"


@glulam.layer
class ReturnsTheFirstStateConfig(RecurrentConfig):
    """It returns the state after the first step for that after the last."""

    module = "sequences:ReturnsTheFirstState"


@glulam.layer
class RunsBackwardsConfig(RecurrentConfig):
    """Its sequence runs from the last step to the first."""

    module = "sequences:RunsBackwards"


@glulam.layer
class ForgetsEveryStepConfig(RecurrentConfig):
    """Its sequence starts each step from zeros."""

    module = "sequences:ForgetsEveryStep"


@glulam.layer
class StartsFromZeroConfig(RecurrentConfig):
    """Its sequence takes each segment for the start of an episode and ignores the state it is given."""

    module = "sequences:StartsFromZero"


@glulam.layer
class SwapsTimeAndRowsConfig(RecurrentConfig):
    """It hands `[B, T]` to a recurrence that takes `[T, B]`, and so runs along the rows."""

    module = "sequences:SwapsTimeAndRows"


@glulam.layer
class DetachesEachStepConfig(RecurrentConfig):
    """Its sequence detaches the state between steps, so that no gradient reaches an earlier step."""

    module = "sequences:DetachesEachStep"


EXHIBITS = [
    shown(
        IgnoresInnerResetsConfig,
        RecurrentConfig,
        "time_folding",
        f"{GITHUB}/Metta-AI/metta/pull/2233 the state is reset on dones in rollout and not in training",
    ),
    shown(SkipsTheFirstResetConfig, RecurrentConfig, "time_folding"),
    shown(ResetsAfterTheStepConfig, RecurrentConfig, "time_folding"),
    shown(KeepsTheCellConfig, LstmConfig, "time_folding"),
    shown(
        LosesTheLastStateConfig,
        RecurrentConfig,
        "time_folding",
        f"{GITHUB}/pytorch/rl/issues/3711 LSTMModule: shorter trajectories get a hidden state of zero",
    ),
    shown(ReturnsTheFirstStateConfig, RecurrentConfig, "time_folding"),
    shown(RunsBackwardsConfig, RecurrentConfig, "time_folding"),
    shown(
        ForgetsEveryStepConfig,
        RecurrentConfig,
        "time_folding",
        f"{GITHUB}/pytorch/rl/issues/1406 LSTMModule: the hidden state is 0.0 at every step",
    ),
    shown(StartsFromZeroConfig, RecurrentConfig, "time_folding"),
    shown(SwapsTimeAndRowsConfig, RecurrentConfig, "time_folding"),
    shown(
        DetachesEachStepConfig,
        RecurrentConfig,
        "gradient_reaches_the_first_step",
        f"{GITHUB}/norse/norse/pull/131 states detached in the cell: 'it would break autograd and BPTT'",
    ),
]
