"""A world of named things, and rollouts in it."""

import pytest
import torch
from tensordict import TensorDict

import glulam


@pytest.fixture(scope="session")
def village():
    """A world with numbers, tags and last actions, on a view of 11 x 11."""
    return glulam.EnvSpec(
        name="village",
        tokens=glulam.TokenLayout(count=40),
        view_height=11,
        view_width=11,
        features=(
            glulam.Feature(name="ore", id=2, normalization=10.0),
            glulam.Feature(name="tag", id=5, values="tag"),
            glulam.Feature(name="last_action", id=9, values="action"),
            glulam.Feature(name="heart", id=12, normalization=100.0),
        ),
        tags=("altar", "mine", "wall"),
        actions=glulam.ActionSpec(names=("noop", "north", "south", "east")),
    )


def observe(env, rows, generator):
    """Return `[rows, tokens, 3]` uint8: some real tokens, one global, padding behind and in between."""
    count = env.tokens.count
    places = torch.randint(0, env.view_height, (rows, count), generator=generator) << 4
    places |= torch.randint(0, env.view_width, (rows, count), generator=generator)
    ids = torch.tensor([feature.id for feature in env.features])
    kinds = ids[torch.randint(0, len(ids), (rows, count), generator=generator)]
    values = torch.randint(0, 3, (rows, count), generator=generator)
    obs = torch.stack((places, kinds, values), dim=-1).to(torch.uint8)
    obs[:, 0, 0] = env.tokens.global_location
    used = torch.randint(1, count, (rows, 1), generator=generator)
    holes = torch.rand(rows, count, generator=generator) < 0.2
    obs[(torch.arange(count) >= used) | holes] = env.tokens.padding
    return obs


def step_of(env, rows, generator, end=0.0):
    """Return the TensorDict of one step, in which some episodes have just ended."""
    return TensorDict(
        {
            "env_obs": observe(env, rows, generator),
            "env_id": torch.arange(rows),
            "rewards": torch.zeros(rows),
            "dones": torch.rand(rows, generator=generator) < end,
            "truncateds": torch.rand(rows, generator=generator) < end,
        },
        batch_size=[rows],
    )
