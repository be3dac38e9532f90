"""Rows that repeat: what a layer says of them holds (`glulam.Repeated`)."""

from __future__ import annotations

from typing import Any

import glulam
from tests.contract.museum.exhibit import shown
from tests.contract.museum.good import PoolConfig, make


@glulam.layer
class EachRowConfig(glulam.LayerConfig):
    """A linear map of each token, which says that it is one of each row alone."""

    module = "repeats:EachRow"
    in_key: str = glulam.reads("token_features", shape="N in_dim")
    out_key: str = glulam.writes("y", shape="N out_dim")
    in_dim: int | None = None
    out_dim: int = 4

    def build(self) -> Any:
        return make(self.module, self.in_dim, self.out_dim)


@glulam.layer
class CentresTheSetConfig(EachRowConfig):
    """It says that it maps each row alone, and subtracts the mean of all tokens of a set."""

    module = "repeats:CentresTheSet"


@glulam.layer
class CountsConfig(PoolConfig):
    """The mean of the tokens that are there, by the distinct ones where they are given."""

    module = "repeats:Counts"


@glulam.layer
class CountsEachOnceConfig(CountsConfig):
    """A token that is there three times counts once, where it is given the distinct ones."""

    module = "repeats:CountsEachOnce"


@glulam.layer
class LosesTheGradientConfig(CountsConfig):
    """It detaches the table of distinct tokens, so that nothing below it learns."""

    module = "repeats:LosesTheGradient"


@glulam.layer
class SignsConfig(glulam.LayerConfig):
    """The signs of a token's first two numbers, by the distinct tokens where they repeat."""

    module = "repeats:Signs"
    in_key: str = glulam.reads("token_features", dtype="int64", shape="N in_dim")
    out_key: str = glulam.writes("y", shape="N 2")
    in_dim: int | None = None

    def build(self) -> Any:
        return make(self.module)


@glulam.layer
class TakesTwoForOneConfig(SignsConfig):
    """Its codes leave out a column: it takes tokens for alike that are not."""

    module = "repeats:TakesTwoForOne"


EXHIBITS = (
    shown(CentresTheSetConfig, EachRowConfig, "repeated_rows"),
    shown(CountsEachOnceConfig, CountsConfig, "repeated_rows"),
    shown(LosesTheGradientConfig, CountsConfig, "repeated_rows"),
    shown(TakesTwoForOneConfig, SignsConfig, "repeated_rows"),
)
