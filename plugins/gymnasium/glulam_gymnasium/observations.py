"""From a space of observations to rows of numbers. No torch here.

Legend: `B` rows.
"""

from __future__ import annotations

from functools import reduce
from math import prod
from operator import getitem
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple

from glulam import BoxLayout, GlulamError
from glulam_gymnasium.actions import is_mask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from glulam import ActionSpec

__all__ = ["MASK", "Numbers"]

MASK = "action_mask"
"""The key of a mask of actions, in infos and in TensorDicts."""
Path = tuple[Any, ...]


class _Part(NamedTuple):
    """A space without spaces inside, where it is in an observation, and which of a row's numbers are its own.

    `sizes` and `starts` are those of choices, each of which becomes as many numbers, a single 1 among them; None for
    numbers that are taken as they are.
    """

    path: Path
    space: Any
    columns: slice
    sizes: NDArray[np.int64] | None
    starts: NDArray[np.int64] | None


class Numbers:
    """How observations of a space are shown as a box of numbers.

    * A `Box` is shown as it is, in its shape and dtype.
    * All else becomes one vector of float32, as Gymnasium's own `flatten` orders it: the entries of a `Dict` or
      `Tuple` in the order of the space, a `Box` or `MultiBinary` number by number, and for each choice of a `Discrete`
      or `MultiDiscrete` as many numbers as it has options, 1 at the one that is chosen and 0 elsewhere.
    * A `Dict` or `Tuple` with a single entry is that entry.
    * In a `Dict`, an entry `action_mask` with a number for each action is a mask and no part of the rest.

    An instance is called with stacked observations and the array `[B, ...]` that it fills.

    Args:
        space: of a single observation.
        actions: what somebody who observes this does.
        name: of the world, for messages.

    Raises:
        GlulamError: if there is no such mapping for a part of the space, naming the part and where it is.
    """

    def __init__(self, space: Any, actions: ActionSpec, *, name: str) -> None:  # noqa: ANN401  # any space at all
        self.name = name
        self.masked = isinstance(space, Dict) and is_mask(space.spaces.get(MASK), actions)
        if self.masked:
            space = Dict([(key, part) for key, part in space.spaces.items() if key != MASK])
        entries, space = _single(space)
        self._only: Path | None = None  # where the one `Box` is, if that is all
        self._parts = list(self._split(space, entries))
        if isinstance(space, Box):
            self._only = entries
            if space.dtype.name not in BoxLayout.DTYPES:
                msg = (
                    f"{name}: its observations are {space.dtype.name}; "
                    f"glulam-gymnasium supports {', '.join(BoxLayout.DTYPES)}"
                )
                raise GlulamError(msg)
            self.box = BoxLayout(shape=space.shape, dtype=space.dtype.name)
        else:
            width = self._parts[-1].columns.stop if self._parts else 0
            self.box = BoxLayout(shape=(width,), dtype="float32")
        self.is_plain = self._only == () and not self.masked

    def __call__(self, observations: Any, out: NDArray[Any]) -> None:  # noqa: ANN401  # an array, or dicts and tuples
        """Fill `out` (`[B, ...]`) with what stacked observations show.

        Raises:
            GlulamError: if a choice is none of its space.
        """
        if self._only is not None:
            np.copyto(out, _at(observations, self._only), casting="same_kind")
            return
        for part in self._parts:
            found = np.reshape(_at(observations, part.path), (len(out), -1))  # (B, ...)
            mine = out[:, part.columns]
            if part.sizes is None or part.starts is None:
                mine[...] = found
                continue
            chosen = found - part.starts  # (B, choices)
            if ((chosen < 0) | (chosen >= part.sizes)).any():
                where = f"{found.tolist()}{_where(part.path)}"
                msg = f"{self.name}: observations are {where}, not all of them in {part.space}; tell its authors"
                raise GlulamError(msg)
            mine[...] = 0
            np.put_along_axis(mine, chosen + np.cumsum(part.sizes) - part.sizes, 1, axis=1)

    def check(self, observation: Any) -> None:  # noqa: ANN401  # whatever an environment returned
        """Refuse a single observation that has other shapes than its space says.

        Raises:
            GlulamError: naming the part and both shapes.
        """
        for part in self._parts:
            try:
                found = np.shape(_at(observation, part.path))
            except (LookupError, TypeError) as error:
                msg = f"{self.name}: its observation has nothing{_where(part.path)}, where its space has {part.space}"
                raise GlulamError(msg) from error
            if found != part.space.shape:
                msg = (
                    f"{self.name}: its observation has shape {list(found)}{_where(part.path)}, and its space is "
                    f"{part.space}; tell its authors"
                )
                raise GlulamError(msg)

    def _split(self, space: Any, path: Path, start: int = 0) -> Iterator[_Part]:  # noqa: ANN401  # any space at all
        """Yield the parts of a space in turn."""
        if isinstance(space, Dict | Tuple):
            entries = space.spaces.items() if isinstance(space, Dict) else enumerate(space.spaces)
            for key, entry in entries:
                for part in self._split(entry, (*path, key), start):
                    yield part
                    start = part.columns.stop
            return
        sizes = starts = None
        if isinstance(space, Discrete):
            sizes, starts = np.array([[space.n], [space.start]], np.int64)
        elif isinstance(space, MultiDiscrete):
            sizes, starts = np.array([space.nvec.ravel(), space.start.ravel()], np.int64)
        elif not isinstance(space, Box | MultiBinary):
            msg = (
                f"{self.name}: its observations are {space}{_where(path)}, which has no mapping to numbers; there is "
                "one for Box, Discrete, MultiDiscrete, MultiBinary, and Dict and Tuple of them: encode it in a wrapper "
                "(gymnasium.wrappers.TransformObservation), or leave it out (gymnasium.wrappers.FilterObservation)"
            )
            raise GlulamError(msg)
        width = int(prod(space.shape) if sizes is None else sizes.sum())
        yield _Part(path, space, slice(start, start + width), sizes, starts)


def _at(observation: Any, path: Path) -> Any:  # noqa: ANN401  # whatever is there
    return reduce(getitem, path, observation)


def _where(path: Path) -> str:
    return f" at {''.join(f'[{key!r}]' for key in path)}" if path else ""


def _single(space: Any) -> tuple[Path, Any]:  # noqa: ANN401  # any space at all
    """Return what a space of one space of one space ... holds, and where."""
    path: Path = ()
    while isinstance(space, Dict | Tuple) and len(space.spaces) == 1:
        ((key, space),) = space.spaces.items() if isinstance(space, Dict) else enumerate(space.spaces)
        path = (*path, key)
    return path, space
