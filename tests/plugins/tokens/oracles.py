"""What the layers make of an observation, told token by token: no tables, no vectors.

The layers gather from tables; here each token is looked up in the lists of an `EnvSpec`.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from tests.plugins.tokens.worlds import reading

BLANK = [255.0, 255.0, 0.0]


def expected_tokens(env, observation, vocabulary, factors):
    """Token by token: location, row of the name in the policy's vocabulary, value by the policy's factor."""
    out = np.empty((*observation.shape[:2], 3))
    for index in np.ndindex(observation.shape[:2]):
        read = reading(env, observation[index], vocabulary, factors)
        if read is None:
            out[index] = BLANK
            continue
        location, name, value = read
        place = 254 if location == env.tokens.global_location else location
        out[index] = place, vocabulary.index(name), value or 0.0
    return torch.from_numpy(out).float()


def expected_box(env, observation, vocabulary, factors, *, apart=False):
    """Token by token: at (row, column) the largest value of each name; a global one at the centre, or in a vector."""
    box = torch.zeros(len(observation), len(vocabulary), env.view_height, env.view_width)
    vector = torch.zeros(len(observation), len(vocabulary))
    for index in np.ndindex(observation.shape[:2]):
        read = reading(env, observation[index], vocabulary, factors)
        if read is None:
            continue
        location, name, value = read
        value = 1.0 if value is None else value
        channel = vocabulary.index(name)
        row, column = divmod(location, 16)
        if location == env.tokens.global_location:
            if apart:
                vector[index[0], channel] = max(vector[index[0], channel].item(), value)
                continue
            row, column = env.view_height // 2, env.view_width // 2
        if row < env.view_height and column < env.view_width:
            cell = box[index[0], channel, row]
            cell[column] = max(cell[column].item(), value)
    return (box, vector) if apart else box


def expected_waves(own, view, location, num_freqs):
    """Fourier features of a location in `view`: the coordinate in `own` of the cell as far from the agent."""
    waves = []
    for size, present, cell in zip(own, view, divmod(location, 16), strict=True):
        twin = cell - present // 2 + size // 2
        scaled = twin / ((size - 1) / 2) - 1 if size > 1 else 0.0
        for wave in (math.cos, math.sin):
            waves += [0.0 if location >= 254 else wave(scaled * 2**k) for k in range(num_freqs)]
    return waves
