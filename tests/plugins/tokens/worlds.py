"""Worlds and observations drawn by Hypothesis, and what a token means in them, told token by token.

The reading here looks each token up in the lists of an `EnvSpec`; the shapers gather from tables.
"""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import strategies as st

from glulam import ActionSpec, EnvSpec, Feature, TokenLayout

FACTORS = [1.0, 2.0, 10.0, 100.0, 255.0]
BYTES = st.integers(0, 255)


def world(features, *, view=(11, 11), tags=(), actions=("noop",), count=8, **layout):
    """A world with the given features, `(name, id, normalization)` or `(name, id, "tag" | "action")`."""
    built = [
        Feature(name=name, id=number, values=kind)
        if isinstance(kind, str)
        else Feature(name=name, id=number, normalization=kind)
        for name, number, kind in features
    ]
    return EnvSpec(
        name="drawn",
        tokens=TokenLayout(count=count, **layout),
        view_height=view[0],
        view_width=view[1],
        features=tuple(built),
        tags=tuple(tags),
        actions=ActionSpec(names=tuple(actions)),
    )


def viewing(height, width):
    """A world with one feature and a view of this size."""
    return world([("a", 0, 1.0)], view=(height, width))


def observed(env, *rows):
    """`[B, N, 3]` uint8 of rows given as lists of tokens, filled up with padding."""
    observation = np.full((len(rows), env.num_tokens, 3), env.tokens.padding, np.uint8)
    for row, column in ((row, column) for row, listed in enumerate(rows) for column in range(len(listed))):
        observation[row, column] = rows[row][column]
    return torch.from_numpy(observation)


@st.composite
def worlds(draw):
    """Worlds with gaps in their feature ids, any view, tags, last actions, and now and then other codes."""
    ids = draw(st.lists(BYTES, min_size=1, max_size=6, unique=True))
    kinds = [draw(st.sampled_from(FACTORS)) for _ in ids]
    for kind in ("tag", "action"):
        if draw(st.booleans()):
            kinds[draw(st.integers(0, len(kinds) - 1))] = kind
    names = draw(st.permutations([f"feature{number}" for number in range(len(ids))]))
    padding, other = draw(st.sampled_from([(0xFF, 0xFE), (0xFF, 0xFE), (0x00, 0xFF), (0xF0, 0xF1)]))
    return world(
        zip(names, ids, kinds, strict=True),
        view=(draw(st.integers(1, 15)), draw(st.integers(1, 15))),
        tags=[f"tag{number}" for number in range(draw(st.integers(0, 5)))],
        actions=[f"action{number}" for number in range(draw(st.integers(1, 4)))],
        count=draw(st.integers(1, 7)),
        padding=padding,
        global_location=other,
    )


def tokens(env):
    """Tokens at a place in or outside the view, global ones, and padding with anything behind its location."""
    inside = [row << 4 | column for row in range(env.view_height) for column in range(env.view_width)]
    codes = [env.tokens.padding, env.tokens.global_location]
    ids = [feature.id for feature in env.features]
    location = st.sampled_from(inside) | st.sampled_from(codes) | BYTES
    return st.tuples(location, st.sampled_from(ids) | BYTES, st.integers(0, 5) | BYTES)


@st.composite
def observations(draw, env):
    """`[B, N, 3]` uint8: full rows, empty rows, holes."""
    padding = st.tuples(st.just(env.tokens.padding), BYTES, BYTES)
    count = env.num_tokens
    row = st.one_of(
        st.lists(token, min_size=count, max_size=count) for token in (tokens(env) | padding, tokens(env), padding)
    )
    return np.array(draw(st.lists(row, min_size=1, max_size=2)), dtype=np.uint8)


def name_of(env, feature_id, value):
    """What a token names: a feature, `feature:tag`, `feature:action`, or None."""
    for feature in env.features:
        if feature.id == feature_id:
            if feature.values == "number":
                return feature.name
            names = env.tags if feature.values == "tag" else env.actions.names
            return f"{feature.name}:{names[value]}" if value < len(names) else None
    return None


def factors_of(env):
    """The normalisation of each numeric feature, by name."""
    return {feature.name: feature.normalization for feature in env.features if feature.values == "number"}


def reading(env, token, known, factors):
    """`(location, name, value)` of a token, None if it is padding or not known; categories have no value."""
    location, feature_id, value = (int(byte) for byte in token)
    name = name_of(env, feature_id, value)
    if location == env.tokens.padding or name not in known:
        return None
    return location, name, value / factors[name] if name in factors else None


def with_padding_rewritten(env, observation, byte):
    """The observation with other bytes behind each padding location."""
    changed = observation.copy()
    changed[observation[..., 0] == env.tokens.padding, 1:] = byte
    return changed
