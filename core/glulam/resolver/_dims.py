"""Dims and dtypes of keys, and when two of them can be the same.

A dim is an int; `env.NAME` while no environment is given; `layer.NAME` for one that varies at run time; or
`?...` for one that a fault upstream, or the missing environment, leaves unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from glulam.environment import EnvSpec

__all__ = ["SHAPELESS", "Dim", "KeyInfo", "env_dim", "is_compatible", "is_same_dtype"]

Dim = int | str
SHAPELESS = "any"  # the dtype of keys of a config that declares names alone


@attrs.frozen
class KeyInfo:
    """What is known of a key: the dims of a row (None: unknown), dtype, writer, and whether rows share it."""

    dims: tuple[Dim, ...] | None
    dtype: str
    writer: str
    batched: bool = True


def env_dim(token: str, env: EnvSpec | None) -> Dim:
    """Return the size of the dim `env.NAME`, or the dim itself while there is no environment."""
    return env.dim(token.removeprefix("env.")) if env else token


def is_compatible(expected: Dim, found: Dim) -> bool:
    """Whether two dims can be equal; what only an environment can tell is left to the check with one."""
    if any(isinstance(dim, str) and dim.startswith(("?", "env.")) for dim in (expected, found)):
        return True
    return expected == found


def is_same_dtype(declared: str, found: str) -> bool:
    """Whether a declared dtype can be the one that is written."""
    floats = ("float", "float32")
    return "any" in (declared, found) or declared == found or (declared in floats and found in floats)
