"""A layer's config on its own: completed as a resolver would, in a world and between keys of sizes that are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from glulam.document import Document
from glulam.keys import declared_keys
from glulam.resolver._dims import KeyInfo
from glulam.resolver._draft import DraftLayer
from glulam.resolver._shapes import check_shapes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glulam.environment import EnvSpec
    from glulam.keys import KeySpec

__all__ = ["Fit", "NoFitError", "fit"]

LEADING = (2, 3)  # what `...` stands for


class NoFitError(ValueError):
    """A config cannot be completed with the sizes that were drawn: not a fault of the layer."""


@attrs.frozen(eq=False)
class Fit:
    """A complete config, and the dims and dtype of each key that it reads or writes, a row, `N` resolved."""

    config: Any
    reads: Mapping[str, KeyInfo]
    writes: Mapping[str, KeyInfo]


def fit(config: Any, env: EnvSpec, widths: Mapping[str, int]) -> Fit:  # noqa: ANN401 - the protocol is structural
    """Complete a config.

    Args:
        config: as a policy file would have it, with fields left out.
        env: the world.
        widths: what dims without a size are, by name; 4 where they have none.

    Raises:
        NoFitError: if the resolver finds a fault with these sizes.
    """
    specs = declared_keys(type(config))
    read = [
        (spec, number, key)
        for field, spec in specs.items()
        if spec.direction == "read"
        for value in [getattr(config, field)]
        for number, key in enumerate(value if spec.many else [value] if value is not None else [])
    ]
    given = {key: _given(key, env) for _, _, key in read}
    known: dict[str, int] = {}  # sizes of dims that the world decides
    for spec, _, key in read:
        info, tokens = given[key], spec.shape.split()
        if info is not None and len(tokens) == len(info.dims or ()):
            known |= {token: dim for token, dim in zip(tokens, info.dims or (), strict=True) if isinstance(dim, int)}
    reads = {key: given[key] or _Sizes(config, env, widths, known, number).key(spec) for spec, number, key in read}
    layer = DraftLayer("layer", "layer", ("layer",), Document(value=None, root="layer"))
    layer.config, layer.cls = config, type(config)
    keys, faults = check_shapes([layer], env, reads)
    if faults:
        raise NoFitError(faults[0].message)
    # A dim that is a name still varies at run time, and nobody can hold it against a size.
    return Fit(layer.config, reads, {key: keys[key] for key in layer.config.out_keys if key in keys})


def _given(key: str, env: EnvSpec) -> KeyInfo | None:
    """Return a key that the world writes."""
    if key not in env.inputs:
        return None
    shape, dtype = env.inputs[key]
    return KeyInfo(tuple(env.dim(dim.removeprefix("env.")) for dim in shape.split()), dtype, "the environment")


@attrs.frozen
class _Sizes:
    """Where the size of a dim comes from; `number` says which of several keys of a field it is about."""

    config: object
    env: EnvSpec
    widths: Mapping[str, int]
    known: Mapping[str, int]
    number: int

    def key(self, spec: KeySpec) -> KeyInfo:
        """Return a key of the shape that the layer declares."""
        dims: list[int] = []
        for token in self._tokens(spec.shape):
            dims += LEADING if token == "..." else [self._size(token)]  # noqa: S105 - no password
        return KeyInfo(tuple(dims), spec.dtype, "another layer", spec.batched)

    def _tokens(self, shape: str) -> list[str]:
        if isinstance(getattr(type(self.config), shape, None), property):
            return str(getattr(self.config, shape)).split()
        return shape.split()

    def _size(self, token: str) -> int:
        if token.isdigit():
            return int(token)
        if token.startswith("env."):
            return self.env.dim(token.removeprefix("env."))
        value = getattr(self.config, token, None)
        if isinstance(value, tuple):
            value = value[self.number] if self.number < len(value) else None
        if isinstance(value, int):
            return value
        return self.known[token] if token in self.known else self.widths.get(token, 4)
