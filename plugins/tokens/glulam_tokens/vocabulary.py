"""What a policy calls the things it sees: names in the policy's own order, found again in any world by name.

A *meaning* is a (feature id, value) pair of a token, coded `256 * id + value`: an index of look-up tables.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

import attrs
import torch
from torch import Tensor

from glulam import GlulamError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from glulam import EnvSpec

__all__ = ["Vocabulary", "action_names", "meaning_codes"]

BYTE = 256

Factors = dict[str, float | None]


@attrs.frozen
class Vocabulary:
    """The names that a policy knows, in the order of its rows.

    `factors` holds for each name what its values are divided by, or None for a category (a tag, an action),
    which is there or not.

    Raises:
        GlulamError: if a factor is not a positive number.
    """

    factors: Factors

    def __attrs_post_init__(self) -> None:
        for name, factor in self.factors.items():
            if factor is not None and not (math.isfinite(factor) and factor > 0):
                msg = f"feature {name!r} is normalised by {factor}; that must be a positive number"
                raise GlulamError(msg)

    @classmethod
    def of(cls, env: EnvSpec) -> Self:
        """Return the vocabulary of a world.

        Raises:
            GlulamError: if two things have one name, such as a feature `tag:wall` beside a tag `wall`.
        """
        names = env.vocabulary
        factors: Factors = {name: factor for name, _, _, factor in _meanings(env)}
        if len(set(names)) != len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            msg = f"environment {env.name!r}: {twice[0]!r} names two things; rename the feature or the tag"
            raise GlulamError(msg)
        return cls({name: factors[name] for name in names})

    def __len__(self) -> int:
        return len(self.factors)

    def to_state(self) -> dict[str, Any]:
        """Return plain JSON values, for a checkpoint."""
        return {"vocabulary": [[name, factor] for name, factor in self.factors.items()]}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Return the vocabulary that `to_state` wrote."""
        return cls({str(name): factor for name, factor in state["vocabulary"]})

    def unknown_in(self, env: EnvSpec) -> tuple[str, ...]:
        """Return the names of a world that are not in the vocabulary."""
        return tuple(name for name in env.vocabulary if name not in self.factors)

    def extended(self, env: EnvSpec, new: Iterable[str]) -> Self:
        """Return the vocabulary with some names of a world behind the known ones, by that world's own factors.

        Raises:
            GlulamError: if two things of the world have one name.
        """
        factors = type(self).of(env).factors
        return type(self)(self.factors | {name: factors[name] for name in new})

    def table(self, env: EnvSpec, *, unknown: int, category_value: float, normalize: bool = True) -> Tensor:
        """Return the row and the value of every meaning, `[65536, 2]` float64.

        A number is divided by the policy's own factor for its name, unless it is to stay as it is; a category has
        `category_value`; what has no name here has the row `unknown`.
        """
        table = torch.tensor([unknown, 0.0], dtype=torch.float64).repeat(BYTE * BYTE, 1)
        row_of = {name: row for row, name in enumerate(self.factors)}
        for name, start, stop, _ in _meanings(env):
            if name not in row_of:
                continue
            factor = self.factors[name]
            table[start:stop, 0] = row_of[name]
            if factor is None:
                table[start:stop, 1] = category_value
            else:
                table[start:stop, 1] = torch.arange(stop - start, dtype=torch.float64) / (factor if normalize else 1.0)
        return table


def action_names(env: EnvSpec) -> frozenset[str]:
    """Return what a world's features of actions call them: names of what was done, not of what is there."""
    features = [feature.name for feature in env.features if feature.values == "action"]
    return frozenset(f"{feature}:{name}" for feature in features for name in env.actions.names)


def meaning_codes(env_obs: Tensor) -> Tensor:
    """Return the code (int32, `[B, N]`) of each token of `[B, N, columns]` uint8."""
    return env_obs[..., 1].int() * BYTE + env_obs[..., 2]


def _meanings(env: EnvSpec) -> Iterator[tuple[str, int, int, float | None]]:
    """Yield each name of a world, the range of its codes, and its factor (None: a category)."""
    for feature in env.features:
        start = BYTE * feature.id
        if feature.values == "number":
            yield feature.name, start, start + BYTE, feature.normalization
            continue
        values = env.tags if feature.values == "tag" else env.actions.names
        for index, value in enumerate(values[:BYTE]):  # no byte names one beyond
            yield f"{feature.name}:{value}", start + index, start + index + 1, None
