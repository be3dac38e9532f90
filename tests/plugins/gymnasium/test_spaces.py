"""The EnvSpec of a Gymnasium environment that observes numbers."""

from __future__ import annotations

from enum import IntEnum

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete, Text

from glulam import BoxLayout, EnvSpec, GlulamError
from glulam.environment import BOX_DTYPES
from glulam_gymnasium import gymnasium_environments
from glulam_gymnasium.spaces import DTYPES, box_spec


class Moves(IntEnum):
    up = 3
    down = 4


class Any(gymnasium.Env):
    """An environment with these spaces; more attributes as given."""

    def __init__(self, observations, choices, **more):
        self.observation_space, self.action_space = observations, choices
        vars(self).update(more)


def _spec(observations=None, choices=None, **more) -> EnvSpec:
    env = Any(observations or Box(0, 1, (4,)), choices or Discrete(2), **more)
    return box_spec(env, name="own", autoreset="same_step")


class TestBoxes:
    """Oracle: the spaces, as Gymnasium documents them."""

    def test_cartpole(self):
        spec = gymnasium_environments.spec("CartPole-v1")
        assert spec.box == BoxLayout(shape=(4,), dtype="float32")
        assert spec.actions.names == ("action_0", "action_1")
        assert (spec.name, spec.num_agents, spec.autoreset) == ("gymnasium:CartPole-v1", 1, "same_step")
        assert spec.tokens is None

    @pytest.mark.parametrize("mode", ["same_step", "next_step", "disabled"])
    def test_the_mode_of_autoreset_is_part_of_spec_and_name(self, mode):
        spec = gymnasium_environments.spec(f"CartPole-v1?autoreset={mode}")
        assert (spec.name, spec.autoreset) == (f"gymnasium:CartPole-v1?autoreset={mode}", mode)

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("shape", [(), (3,), (84, 84, 4)])
    def test_shape_and_dtype_are_as_they_are(self, shape, dtype):
        spec = _spec(Box(0, 1, shape, np.dtype(dtype).type))
        assert (spec.box.shape, spec.box.dtype) == (shape, dtype)
        assert EnvSpec.from_dict(spec.obs_meta()) == spec

    def test_cores_dtypes_are_all_taken(self):
        assert DTYPES == BOX_DTYPES


class TestActions:
    """Oracle: names by hand."""

    def test_numbers_where_there_are_no_names(self):
        assert _spec(None, Discrete(3)).actions.names == ("action_0", "action_1", "action_2")
        assert _spec(None, Discrete(2, start=-1)).actions.names == ("action_-1", "action_0")

    def test_as_atari_names_them(self):
        assert _spec(get_action_meanings=lambda: ["NOOP", "FIRE"]).actions.names == ("NOOP", "FIRE")

    def test_as_an_enumeration(self):
        assert _spec(None, Discrete(2, start=3)).actions.names == ("action_3", "action_4")
        assert _spec(None, Discrete(2, start=3), actions=Moves).actions.names == ("up", "down")

    @pytest.mark.parametrize("meanings", [["NOOP"], ["NOOP", "FIRE", "UP"], ["FIRE", "FIRE"]])
    def test_names_that_do_not_fit_are_left(self, meanings):
        assert _spec(get_action_meanings=lambda: meanings).actions.names == ("action_0", "action_1")

    def test_names_of_actions_that_a_wrapper_changed_are_left(self):
        env = Any(Box(0, 1, (4,)), Discrete(2, start=3), actions=Moves)
        changed = gymnasium.wrappers.TransformAction(env, lambda action: 7 - action, Discrete(1, start=4))
        assert box_spec(changed, name="own", autoreset="same_step").actions.names == ("action_4",)


class TestRefusals:
    """Oracle: the text, as a user reads it."""

    def _message(self, *spaces) -> str:
        with pytest.raises(GlulamError) as caught:
            _spec(*spaces)
        return str(caught.value)

    @pytest.mark.parametrize(
        ("space", "shown"),
        [
            (Discrete(16), "Discrete(16)"),
            (Dict(one=Discrete(2)), "Dict('one': Discrete(2))"),
            (MultiDiscrete([2, 3]), "MultiDiscrete([2 3])"),
            (Text(3, charset="ab"), "Text(1, 3, charset=ab)"),
        ],
    )
    def test_other_observations(self, space, shown):
        assert self._message(space) == (
            f"own: its observations are {shown}; glulam-gymnasium supports a Box of numbers"
        )

    def test_another_dtype(self):
        with pytest.raises(GlulamError) as caught:
            gymnasium_environments.spec("LadderHalf-v0")
        assert str(caught.value) == (
            "gymnasium:LadderHalf-v0: its observations are float16; "
            "glulam-gymnasium supports float32, float64, uint8, int8, int16, int32, int64, bool"
        )

    @pytest.mark.parametrize(
        ("space", "shown"),
        [(Box(-1, 1, (2,)), "Box(-1.0, 1.0, (2,), float32)"), (MultiDiscrete([2, 3]), "MultiDiscrete([2 3])")],
    )
    def test_other_actions(self, space, shown):
        assert self._message(None, space) == f"own: its actions are {shown}; glulam-gymnasium supports Discrete"
