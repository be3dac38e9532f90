"""Resets in rollout: on done and on truncation, before the step, all of the state, of those rows alone."""

from __future__ import annotations

import glulam
from tests.contract.museum.exhibit import shown
from tests.contract.museum.good import LstmConfig, RecurrentConfig, make

GITHUB = "https://github.com"


@glulam.layer
class IgnoresDonesConfig(RecurrentConfig):
    """An episode's memory goes on into the next one."""

    module = "resets:IgnoresDones"


@glulam.layer
class HalfTheStateSurvivesConfig(LstmConfig):
    """Where an episode ends `h` is cleared and `c` goes on."""

    module = "resets:HalfTheStateSurvives"


@glulam.layer
class ResetsEveryoneConfig(RecurrentConfig):
    """Where one row's episode ends the memory of all rows is cleared."""

    module = "resets:ResetsEveryone"


@glulam.layer
class ResetsOneStepLateConfig(RecurrentConfig):
    """The step that begins an episode still sees the memory of the last one; it is cleared after it."""

    module = "resets:ResetsOneStepLate"


@glulam.layer
class IgnoresTruncationConfig(RecurrentConfig):
    """It clears the memory where an episode is done, and not where it was cut."""

    module = "resets:IgnoresTruncation"

    def build(self):
        return make(self.module, self, make("good:Recurrent", self.in_dim, self.out_dim))


EXHIBITS = [
    shown(
        IgnoresDonesConfig,
        RecurrentConfig,
        "reset_before_the_step",
        f"{GITHUB}/chengxuxin/extreme-parkour/issues/12 hidden states are not reset when an episode ends",
    ),
    shown(HalfTheStateSurvivesConfig, LstmConfig, "reset_before_the_step"),
    shown(ResetsEveryoneConfig, RecurrentConfig, "reset_before_the_step"),
    shown(ResetsOneStepLateConfig, RecurrentConfig, "reset_before_the_step"),
    shown(
        IgnoresTruncationConfig,
        RecurrentConfig,
        "reset_before_the_step",
        f"{GITHUB}/instadeepai/Mava/issues/951 termination and truncation mixed up where hidden states are reset",
    ),
]
