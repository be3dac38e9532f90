"""Environments: what is found by name is found in every world, and going back changes nothing."""

from __future__ import annotations

import glulam
from tests.contract.museum.exhibit import shown
from tests.contract.museum.good import TableConfig

GITHUB = "https://github.com"


@glulam.layer
class AccumulatesNamesConfig(TableConfig):
    """Each initialisation adds the world's names once more, and the known ones move to other rows."""

    module = "environments:AccumulatesNames"


@glulam.layer
class StartsAfreshConfig(TableConfig):
    """Each initialisation draws its weights anew, and what was learned is lost."""

    module = "environments:StartsAfresh"


@glulam.layer
class KeepsTheOldMapConfig(TableConfig):
    """It maps names once: in the next world the rows are still those of the last."""

    module = "environments:KeepsTheOldMap"


@glulam.layer
class GoesByPositionConfig(TableConfig):
    """An action's row is its place in the world's list; another order, and each gets a stranger's row."""

    module = "environments:GoesByPosition"


@glulam.layer
class TellsNothingConfig(TableConfig):
    """Its report says that all of a world's names are known, whatever they are."""

    module = "environments:TellsNothing"


@glulam.layer
class LearnsInSilenceConfig(TableConfig):
    """Its `learn_names` gives new names rows and returns none of them."""

    module = "environments:LearnsInSilence"


@glulam.layer
class NamesNotSavedConfig(TableConfig):
    """A checkpoint holds its rows and not whose they are."""

    module = "environments:NamesNotSaved"


@glulam.layer
class UnknownIsTheFirstConfig(TableConfig):
    """An unknown action gets the first action's row instead of zeros."""

    module = "environments:UnknownIsTheFirst"


EXHIBITS = [
    shown(AccumulatesNamesConfig, TableConfig, "reinitialisation"),
    shown(StartsAfreshConfig, TableConfig, "reinitialisation"),
    shown(KeepsTheOldMapConfig, TableConfig, "reinitialisation"),
    shown(
        GoesByPositionConfig,
        TableConfig,
        "reinitialisation",
        f"{GITHUB}/facebookresearch/habitat-lab/issues/114 actions reordered: old checkpoints do others",
    ),
    shown(TellsNothingConfig, TableConfig, "names_are_told"),
    shown(LearnsInSilenceConfig, TableConfig, "names_are_told"),
    shown(NamesNotSavedConfig, TableConfig, "state_round_trip"),
    shown(UnknownIsTheFirstConfig, TableConfig, "reinitialisation"),
]
