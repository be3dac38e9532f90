"""Inputs to trace a step function with, and to try it on: valid ones of its environment, drawn at random.

Legend: `B` rows, `N` tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from glulam import EnvSpec
    from glulam_export.step import StepFunction

__all__ = ["draw_inputs", "observe"]

ENDED, ALLOWED, EMPTY = 0.3, 0.7, 0.2  # shares of rows whose episode has ended, of allowed actions, of empty tokens
LARGEST_VALUE = 8


def draw_inputs(step: StepFunction, rows: int, generator: Generator) -> dict[str, Tensor]:
    """Return the inputs of a step by key, `[B, ...]`, without its memory."""
    env = step.policy.env
    return {key: _draw(env, key, rows, generator) for key in step.input_keys}


def observe(env: EnvSpec, rows: int, generator: Generator) -> Tensor:
    """Return observations `[rows, tokens, columns]` or `[rows, *box]`: known features, a global one first, padding."""
    if env.tokens is None:
        return _draw(env, "env_obs", rows, generator)
    shape = (rows, env.num_tokens)
    places = torch.randint(env.view_height, shape, generator=generator) << 4
    places |= torch.randint(env.view_width, shape, generator=generator)
    ids = torch.tensor([feature.id for feature in env.features])
    kinds = ids[torch.randint(len(ids), shape, generator=generator)]
    largest = min(LARGEST_VALUE, *(len(names) for names in (env.tags, env.actions.names) if names))
    columns = [places, kinds, torch.randint(largest, shape, generator=generator)]
    columns += [torch.zeros(shape, dtype=torch.int64)] * (env.token_columns - len(columns))
    obs = torch.stack(columns, dim=-1).to(torch.uint8)  # (B, N, columns)
    obs[:, 0, 0] = env.tokens.global_location
    used = torch.randint(1, env.num_tokens + 1, (rows, 1), generator=generator)
    empty = torch.rand(shape, generator=generator) < EMPTY
    obs[(torch.arange(env.num_tokens) >= used) | empty] = env.tokens.padding
    return obs


def _draw(env: EnvSpec, key: str, rows: int, generator: Generator) -> Tensor:
    if key == "env_obs" and env.tokens is not None:
        return observe(env, rows, generator)
    if key == "env_id":
        return torch.arange(rows)
    dims, name = env.inputs[key]
    shape = (rows, *(env.dim(dim.removeprefix("env.")) for dim in dims.split()))
    dtype: torch.dtype = getattr(torch, name)
    if dtype.is_floating_point:
        return torch.randn(shape, generator=generator).to(dtype)
    if dtype == torch.bool:
        share = ALLOWED if key == "action_mask" else ENDED
        return torch.rand(shape, generator=generator) < share
    return torch.randint(_limit(env, key), shape, generator=generator).to(dtype)


def _limit(env: EnvSpec, key: str) -> int:
    """Return how many values a whole number may have at least."""
    if key == "last_actions":
        return min(env.actions.choices, default=env.num_actions)
    return {"agent_id": env.num_agents, "team_id": 1}.get(key, LARGEST_VALUE)
