"""The good layers that the exhibits are small diffs from: their configs, without torch.

A broken twin is a subclass that names another module; all else it inherits.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import glulam

__all__ = ["HeadConfig", "LstmConfig", "MapConfig", "NativeConfig", "PoolConfig", "RecurrentConfig", "TableConfig"]

MODULES = "tests.contract.museum.modules"


def make(place: str, *arguments: Any) -> Any:
    """Return an instance of the class at `MODULE:CLASS` of the museum's modules."""
    module, _, name = place.partition(":")
    return getattr(import_module(f"{MODULES}.{module}"), name)(*arguments)


@glulam.layer
class MapConfig(glulam.LayerConfig):
    """A linear map."""

    module = "good:Map"
    in_key: str = glulam.reads("x", shape="in_dim")
    out_key: str = glulam.writes("y", shape="out_dim")
    in_dim: int | None = None
    out_dim: int = 4

    def build(self) -> Any:
        return make(self.module, self.in_dim, self.out_dim)


@glulam.layer
class NativeConfig(MapConfig):
    """A linear map that takes the TensorDict itself."""

    module = "good:Native"

    def build(self) -> Any:
        return make(self.module, self.in_key, self.out_key, self.in_dim, self.out_dim)


@glulam.layer
class PoolConfig(glulam.LayerConfig):
    """The mean of the tokens that are there, after a linear map; zeros where there are none."""

    module = "good:Pool"
    in_key: str = glulam.reads("token_features", shape="N in_dim")
    mask_key: str = glulam.reads("token_mask", dtype="bool", shape="N")
    out_key: str = glulam.writes("y", shape="out_dim")
    in_dim: int | None = None
    out_dim: int = 4

    def build(self) -> Any:
        return make(self.module, self.in_dim, self.out_dim)


@glulam.layer
class RecurrentConfig(MapConfig):
    """A gated recurrent memory with one state."""

    module = "good:Recurrent"


@glulam.layer
class LstmConfig(MapConfig):
    """A memory with two states, `h` and `c`."""

    module = "good:Lstm"


@glulam.layer
class HeadConfig(glulam.LayerConfig):
    """A categorical action head with a mask."""

    module = "good:Head"
    in_key: str = glulam.reads("logits", shape="A")
    mask_key: str | None = glulam.reads("action_mask", dtype="bool", shape="A", if_offered=True)
    actions_key: str = glulam.writes("actions", dtype="int64", shape="", phase="act")
    log_prob_key: str = glulam.writes("act_log_prob", shape="")
    entropy_key: str = glulam.writes("entropy", shape="", phase="score")
    full_log_probs_key: str = glulam.writes("full_log_probs", shape="A", phase="score")

    def build(self) -> Any:
        return make(self.module)


@glulam.layer
class TableConfig(glulam.LayerConfig):
    """A row of weights for each action of the world, found by its name."""

    module = "good:Table"
    out_key: str = glulam.writes("rows", shape="env.num_actions out_dim", batched=False)
    out_dim: int = 4
    max_actions: int = 64

    def build(self) -> Any:
        return make(self.module, self.max_actions, self.out_dim)
