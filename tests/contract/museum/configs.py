"""Configs: values that building does not change, that compare, and that say all there is to say."""

from __future__ import annotations

import attrs

import glulam
from tests.contract.museum.exhibit import shown
from tests.contract.museum.good import MapConfig, make

GITHUB = "https://github.com"


@glulam.layer
class StackConfig(MapConfig):
    """Linear maps one behind the other."""

    sizes: tuple[int, ...] = (8,)

    def build(self):
        return make("configs:Stack", self.in_dim, tuple(self.sizes), self.out_dim)


@glulam.layer
class MutableDefaultConfig(MapConfig):
    """Its default is a list that all configs share, and building adds to it."""

    sizes: list[int] = [8]  # noqa: RUF012 - the exhibit

    def build(self):
        self.sizes.append(8)
        return make("configs:Stack", self.in_dim, tuple(self.sizes), self.out_dim)


@glulam.layer
class ChangedByBuildConfig(MapConfig):
    """Building it changes it: it keeps a count of what it has built."""

    built: int = 0

    def build(self):
        object.__setattr__(self, "built", self.built + 1)
        return make(self.module, self.in_dim, self.out_dim)


@attrs.define(kw_only=True, eq=False, slots=False)
class NeverEqualConfig(glulam.LayerConfig):
    """It is no frozen value: a config that is read back from a file is not equal to it."""

    in_key: str = glulam.reads("x", shape="in_dim")
    out_key: str = glulam.writes("y", shape="out_dim")
    in_dim: int | None = None
    out_dim: int = 4

    def build(self):
        return make("good:Map", self.in_dim, self.out_dim)


@attrs.frozen(kw_only=True, init=False)
class SwallowsTyposConfig(MapConfig):
    """It takes any field and drops those it does not know, so that a typing error stays unseen."""

    def __init__(self, **fields: object) -> None:
        known = {field.name for field in attrs.fields(type(self))}
        self.__attrs_init__(**{name: value for name, value in fields.items() if name in known})


@glulam.layer
class IgnoresItsWidthConfig(MapConfig):
    """It declares an output of `out_dim`, and always builds one of 4."""

    def build(self):
        return make(self.module, self.in_dim, 4)


EXHIBITS = [
    shown(
        MutableDefaultConfig,
        StackConfig,
        "config_round_trip",
        f"{GITHUB}/langroid/langroid/issues/1123 instances share a mutable default config",
    ),
    shown(ChangedByBuildConfig, MapConfig, "config_round_trip"),
    shown(NeverEqualConfig, MapConfig, "config_round_trip"),
    shown(SwallowsTyposConfig, MapConfig, "config_round_trip"),
    shown(IgnoresItsWidthConfig, MapConfig, "shapes_and_dtypes"),
]
