"""The first law: a layer can be built and called at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from torch import nn

from glulam.config import ObsShaperConfig
from glulam.testing._laws import BrokenLawError, expect, law
from glulam.testing.laws._common import run

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

    from glulam.testing._case import Case

__all__: list[str] = []


@law("It can be built from its config, and called with what it declares to read.")
def runs(case: Case, data: DataObject) -> None:
    """Build it and call it; what goes wrong is told in terms of the config."""
    del data
    config = case.config
    _look_at(config)
    bound = case.bound()
    module = bound.module
    expect(
        holds=isinstance(module, nn.Module),
        otherwise=f"build() returned {type(module).__name__}, no nn.Module; return the module from it",
    )
    try:
        run(case, bound, case.inputs(bound))
    except TypeError as error:
        reads = ", ".join(str(key) for key in bound.arguments) or "nothing"
        msg = (
            f"{type(module).__name__} does not take what its config declares: {error}; it is called with one tensor "
            f"for each key field that reads, in order ({reads}): add a glulam.reads() field, or drop the argument"
        )
        raise BrokenLawError(msg) from error


def _look_at(config: object) -> None:
    """Look for what Python lets pass in a config."""
    cls = type(config)
    if not attrs.has(cls):
        return
    for field in attrs.fields(cls):
        shared = isinstance(field.default, (list, dict, set))
        expect(
            holds=not shared,
            otherwise=f"field {field.name!r} has a {type(field.default).__name__} for its default, which all configs "
            "share; write a tuple, or attrs.field(factory=...)",
        )
    builds = "build" in {
        name for base in cls.__mro__ for name in vars(base) if base.__name__ not in {"LayerConfig", "ObsShaperConfig"}
    }
    needed = isinstance(config, ObsShaperConfig) or hasattr(config, "instantiate")
    told = f"{cls.__name__} has no build(); return the nn.Module from it"
    expect(holds=builds or not needed or not hasattr(cls, "protocol"), otherwise=told)
