"""What layers read, as tensors: drawn by a seed, so that a case is told by a few numbers.

`B` rows, `N` tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from glulam.environment import EnvSpec

__all__ = ["BY_KEY", "draw_observations", "draw_tensor"]

PADDING, GLOBAL = 255, 254  # as a token shaper writes them
FEW = 0.15  # the share of what stands out: global tokens, holes, flags that are not set


def draw_observations(env: EnvSpec, rows: int, generator: torch.Generator) -> Tensor:
    """Return `[B, N, columns]` uint8: tokens of the world, some global, with holes; an empty and a full row among them.

    In a world of numbers: `[B, ...]` of its box.
    """
    if env.box is not None:
        return draw_tensor(env.box.dtype, (rows, *env.box.shape), generator)
    layout = env.token_layout
    count = layout.count
    place = torch.randint(env.view_height, (rows, count), generator=generator) << 4
    place |= torch.randint(env.view_width, (rows, count), generator=generator)
    place[torch.rand(rows, count, generator=generator) < FEW] = layout.global_location
    features = torch.randint(max(1, len(env.features)), (rows, count), generator=generator)
    ids = torch.tensor([feature.id for feature in env.features] or [0])[features]
    limits = [
        256 if f.values == "number" else len(env.tags if f.values == "tag" else env.actions.names) for f in env.features
    ]
    limit = torch.tensor([max(1, number) for number in limits] or [256])[features]
    value = (torch.rand(rows, count, generator=generator) * limit).long()
    columns = torch.randint(256, (rows, count, layout.columns), generator=generator)
    columns[..., 0], columns[..., 1], columns[..., 2] = place, ids, value
    columns[_padding(rows, count, generator)] = layout.padding
    return columns.to(torch.uint8)


def _padding(rows: int, count: int, generator: torch.Generator) -> Tensor:
    """Return which tokens are none, `[B, N]`: behind the last of each row, and a few in between."""
    used = torch.randint(count + 1, (rows, 1), generator=generator)
    used[:1] = count if rows > 1 else used[:1].clamp(min=1)  # one full row, and in larger batches an empty one
    if rows > 2:  # noqa: PLR2004 - one full, one empty, one other
        used[1] = 0
    holes = torch.rand(rows, count, generator=generator) < FEW
    holes[:, 0] = False
    return (torch.arange(count) >= used) | holes


def _tokens(env: EnvSpec, size: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return tokens as a token shaper gives them: location byte, row of the name, value; padding where none is."""
    rows, count = size[0], size[1]
    place = torch.randint(max(1, env.view_height), (rows, count), generator=generator) << 4
    place |= torch.randint(max(1, env.view_width), (rows, count), generator=generator)
    place[torch.rand(rows, count, generator=generator) < FEW] = GLOBAL
    name = torch.randint(max(1, env.vocabulary_size), (rows, count), generator=generator)
    value = torch.rand(rows, count, generator=generator)
    tokens = torch.stack((place.float(), name.float(), value), dim=-1)
    tokens[_padding(rows, count, generator)] = torch.tensor([PADDING, PADDING, 0.0])
    return tokens


def _box(_: EnvSpec, size: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return a box in which most is zero."""
    full = torch.rand(size, generator=generator)
    return full * (torch.rand(size, generator=generator) < 2 * FEW)


def _actions(env: EnvSpec, size: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return actions of the world."""
    actions = env.actions
    if actions.kind == "continuous":
        return torch.randn(size, generator=generator)
    limits = torch.tensor(actions.choices) if actions.choices else torch.tensor(len(actions.names))
    return (torch.rand(size, generator=generator) * limits).long()


def _ends(_: EnvSpec, size: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return flags of rows whose episode has ended: a few."""
    return torch.rand(size, generator=generator) < FEW


# What a key means by its usual name, where shape and dtype do not tell.
BY_KEY: dict[str, Callable[[EnvSpec, tuple[int, ...], torch.Generator], Tensor]] = {
    "tokens": _tokens,
    "box": _box,
    "dones": _ends,
    "truncateds": _ends,
    "last_actions": _actions,
    "actions": _actions,
}


def draw_tensor(dtype: str, size: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return a tensor of any dtype: normal numbers, small integers, or flags of which most hold."""
    if dtype in {"float", "any", "float32", "float64", "float16", "bfloat16"}:
        kind = torch.float32 if dtype in {"float", "any"} else getattr(torch, dtype)
        return torch.randn(size, generator=generator).to(kind)
    if dtype == "bool":
        return torch.rand(size, generator=generator) > 2 * FEW
    return torch.randint(4, size, generator=generator).to(getattr(torch, dtype))
