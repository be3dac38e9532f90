"""Keys: what is read, written, returned and stored."""

from __future__ import annotations

import glulam
from tests.contract.museum.exhibit import shown
from tests.contract.museum.good import MapConfig, NativeConfig, make

GITHUB = "https://github.com"


@glulam.layer
class ValueConfig(MapConfig):
    """One number a row."""

    module = "keys:Value"
    out_key: str = glulam.writes("values", shape="")

    def build(self):
        return make(self.module, self.in_dim)


@glulam.layer
class StoringConfig(MapConfig):
    """A linear map that says how its output is stored."""

    module = "keys:Storing"


@glulam.layer
class WritesAStrangerConfig(NativeConfig):
    """It writes `logits` too, which it does not declare."""

    module = "keys:WritesAStranger"


@glulam.layer
class ErasesItsInputConfig(NativeConfig):
    """It deletes the key that it reads, since nobody will want it any more."""

    module = "keys:ErasesItsInput"


@glulam.layer
class ReadsAStrangerConfig(NativeConfig):
    """It adds `rewards` where it finds them, which it does not declare to read."""

    module = "keys:ReadsAStranger"


@glulam.layer
class RectifiesInPlaceConfig(MapConfig):
    """Its first activation works in place, on the tensor that others read as well."""

    module = "keys:RectifiesInPlace"


@glulam.layer
class ReturnsItsBufferConfig(MapConfig):
    """It returns the same buffer at each call, so the next call overwrites what it returned before."""

    module = "keys:ReturnsItsBuffer"


@glulam.layer
class OneOutputTooManyConfig(MapConfig):
    """It returns a diagnostic beside the output that it declares."""

    module = "keys:OneOutputTooMany"


@glulam.layer
class KeepsADimensionConfig(ValueConfig):
    """It returns values `[B, 1]` and declares `[B]`, which broadcasts to `[B, B]` later."""

    module = "keys:KeepsADimension"


@glulam.layer
class AnswersInDoubleConfig(MapConfig):
    """It returns float64, whatever the policy's own dtype."""

    module = "keys:AnswersInDouble"


@glulam.layer
class StoresAnotherShapeConfig(StoringConfig):
    """Its experience spec is one column wider than what it writes."""

    module = "keys:StoresAnotherShape"


EXHIBITS = [
    shown(WritesAStrangerConfig, NativeConfig, "writes_what_it_declares"),
    shown(
        ErasesItsInputConfig,
        NativeConfig,
        "writes_what_it_declares",
        f"{GITHUB}/pytorch/rl/pull/729 CatTensors wrongfully erases observation keys",
    ),
    shown(ReadsAStrangerConfig, NativeConfig, "reads_only_what_it_declares"),
    shown(
        RectifiesInPlaceConfig,
        MapConfig,
        "inputs_unchanged",
        f"{GITHUB}/pytorch/executorch/issues/11700 an in-place ReLU alters what else is read",
    ),
    shown(
        ReturnsItsBufferConfig,
        MapConfig,
        "inputs_unchanged",
        f"{GITHUB}/MemTensor/MemOS/pull/2303 the stored cache handed out by reference",
    ),
    shown(OneOutputTooManyConfig, MapConfig, "output_count"),
    shown(
        KeepsADimensionConfig,
        ValueConfig,
        "shapes_and_dtypes",
        f"{GITHUB}/allenai/allenact/pull/226 (5, 5, 1) and (5, 5) broadcast to (5, 5, 5)",
    ),
    shown(AnswersInDoubleConfig, MapConfig, "shapes_and_dtypes"),
    shown(StoresAnotherShapeConfig, StoringConfig, "experience_spec"),
]
