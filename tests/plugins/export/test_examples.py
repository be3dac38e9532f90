"""What is drawn to try programs on."""

import pytest
import torch

import glulam
from glulam_export.examples import draw_inputs, observe
from glulam_export.step import StepFunction
from tests.plugins.export.conftest import small

WORLD = glulam.EnvSpec(
    name="tokens",
    tokens=glulam.TokenLayout(count=30, columns=4, padding=250, global_location=251),
    view_height=3,
    view_width=5,
    features=(
        glulam.Feature(name="ore", id=4),
        glulam.Feature(name="tag", id=9, values="tag"),
    ),
    tags=("mine", "wall"),
    actions=glulam.ActionSpec(names=("a", "b", "c")),
)


def test_tokens_are_those_of_the_world():
    obs = observe(WORLD, 200, torch.Generator().manual_seed(0))
    assert (obs.shape, obs.dtype) == ((200, 30, 4), torch.uint8)
    place, kind, value = obs.long().unbind(-1)[:3]
    empty = place == 250
    assert 0.2 < empty.float().mean() < 0.8
    assert set(kind[~empty].tolist()) == {4, 9}
    assert set(value[~empty].tolist()) == {0, 1}
    seen = ~empty & (place != 251)
    assert set((place[seen] >> 4).tolist()) == set(range(3))
    assert set((place[seen] & 15).tolist()) == set(range(5))


@pytest.mark.parametrize(
    ("dtype", "low", "high"), [("float32", -5, 5), ("uint8", 0, 7), ("int64", 0, 7), ("bool", 0, 1)]
)
def test_boxes_are_of_their_dtype(dtype, low, high):
    box = glulam.BoxLayout(shape=(2, 3), dtype=dtype)
    env = glulam.EnvSpec(name="box", box=box, actions=glulam.ActionSpec(names=("a",)))
    obs = observe(env, 50, torch.Generator().manual_seed(0))
    assert (obs.shape, obs.dtype) == ((50, 2, 3), getattr(torch, dtype))
    assert low <= obs.double().min() < obs.double().max() <= high


def test_last_actions_are_actions():
    actions = glulam.ActionSpec(names=("move:a", "move:b", "use:a", "use:b", "use:c"), choices=(2, 3))
    layer = {"layer": "previous_action", "out_key": "previous", "embed_dim": 3}
    step = StepFunction(small(actions, ("last_actions", "last_rewards"), [layer]))
    drawn = draw_inputs(step, 100, torch.Generator().manual_seed(0))
    assert drawn["last_actions"].shape == (100, 2)
    assert set(drawn["last_actions"].unique().tolist()) == {0, 1}
    assert drawn["last_rewards"].shape == (100,)
    assert 0 < drawn["dones"].sum() < 100
