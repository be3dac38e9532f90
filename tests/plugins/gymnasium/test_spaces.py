"""The EnvSpec of a Gymnasium environment that observes numbers."""

from __future__ import annotations

from enum import IntEnum

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, Graph, MultiBinary, MultiDiscrete, OneOf, Sequence, Text, Tuple

from glulam import BoxLayout, EnvSpec, GlulamError
from glulam_gymnasium import gymnasium_environments
from glulam_gymnasium.spaces import box_spec


class Moves(IntEnum):
    up = 3
    down = 4


class Any(gymnasium.Env):
    """An environment with these spaces; more attributes as given."""

    def __init__(self, observations, choices, **more):
        self.observation_space, self.action_space = observations, choices
        self.info = {}
        vars(self).update(more)

    def reset(self, *, seed=None, options=None):
        self.observation_space.seed(seed)
        return self.observation_space.sample(), self.info

    def step(self, action):
        assert np.asarray(action) in self.action_space  # a vector gives a number without dims as a plain one
        return self.observation_space.sample(), 0.0, False, False, {}


def _spec(observations=None, choices=None, **more) -> EnvSpec:
    env = Any(observations or Box(0, 1, (4,)), choices or Discrete(2), **more)
    return box_spec(env, name="own", autoreset="same_step")[0]


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

    @pytest.mark.parametrize("dtype", BoxLayout.DTYPES)
    @pytest.mark.parametrize("shape", [(), (3,), (84, 84, 4)])
    def test_shape_and_dtype_are_as_they_are(self, shape, dtype):
        spec = _spec(Box(0, 1, shape, np.dtype(dtype).type))
        assert (spec.box.shape, spec.box.dtype) == (shape, dtype)
        assert EnvSpec.from_dict(spec.obs_meta()) == spec


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
        assert box_spec(changed, name="own", autoreset="same_step")[0].actions.names == ("action_4",)


class TestChoices:
    """Oracle: names by hand."""

    def test_several_choices(self):
        actions = _spec(None, MultiDiscrete([2, 3])).actions
        assert actions.names == ("choice_0:0", "choice_0:1", "choice_1:0", "choice_1:1", "choice_1:2")
        assert (actions.kind, actions.choices, actions.shape, actions.dtype) == (
            "multi-discrete",
            (2, 3),
            (2,),
            "int64",
        )

    def test_switches(self):
        actions = _spec(None, MultiBinary((1, 2))).actions
        assert actions.names == ("choice_0:0", "choice_0:1", "choice_1:0", "choice_1:1")
        assert (actions.kind, actions.choices) == ("multi-discrete", (2, 2))

    def test_their_own_numbers_and_several_dims(self):
        spec = gymnasium_environments.spec("Dials-v0")
        assert spec.actions.choices == (2, 3, 4, 2)
        assert spec.actions.names == (
            *("choice_0:0", "choice_0:1"),
            *("choice_1:5", "choice_1:6", "choice_1:7"),
            *("choice_2:-1", "choice_2:0", "choice_2:1", "choice_2:2"),
            *("choice_3:0", "choice_3:1"),
        )
        assert EnvSpec.from_dict(spec.obs_meta()) == spec


class TestNumbers:
    """Oracle: names and bounds by hand, from Gymnasium's pages."""

    def test_pendulum(self):
        actions = gymnasium_environments.spec("Pendulum-v1").actions
        assert (actions.names, actions.low, actions.high) == (("action_0",), (-2.0,), (2.0,))
        assert (actions.kind, actions.shape, actions.dtype) == ("continuous", (1,), "float32")

    def test_several_dims_and_no_bounds(self):
        spec = gymnasium_environments.spec("Levers-v0")
        assert spec.actions.names == ("action_0", "action_1", "action_2", "action_3")
        assert spec.actions.low == (-1.0, None, 0.0, -2.0)
        assert spec.actions.high == (1.0, 3.0, None, None)
        assert EnvSpec.from_dict(spec.obs_meta()) == spec

    def test_a_single_number(self):
        actions = _spec(None, Box(0, 1, ())).actions
        assert (actions.names, actions.low, actions.high) == (("action_0",), (0.0,), (1.0,))


class TestOffers:
    """Oracle: by hand."""

    ALWAYS = ("last_actions", "last_rewards")

    @pytest.mark.parametrize("task", ["CartPole-v1", "Pendulum-v1", "Dials-v0"])
    def test_without_masks(self, task):
        spec = gymnasium_environments.spec(task)
        assert spec.optional_inputs == self.ALWAYS
        assert spec.inputs["last_rewards"] == ("", "float32")

    @pytest.mark.parametrize(("task", "names"), [("FlatTaxi-v0", 6), ("MaskedDials-v0", 11)])
    def test_with_masks(self, task, names):
        spec = gymnasium_environments.spec(task)
        assert spec.optional_inputs == ("action_mask", *self.ALWAYS)
        assert spec.inputs["action_mask"] == ("env.num_actions", "bool")
        assert spec.dim("num_actions") == names

    @pytest.mark.parametrize(
        ("choices", "mask"),
        [
            (Discrete(2), None),
            (Discrete(2), np.ones(3, np.int8)),
            (Discrete(2), np.ones((1, 2), np.int8)),
            (MultiDiscrete([2, 3]), (np.ones(2, np.int8), np.ones(3, np.int8))),
            (MultiDiscrete([2, 3]), np.ones(2, np.int8)),
            (Box(-1, 1, (2,)), np.ones(2, np.int8)),
        ],
    )
    def test_what_is_no_mask_of_the_actions(self, choices, mask):
        assert _spec(None, choices, info={"action_mask": mask}).optional_inputs == self.ALWAYS


class TestRefusals:
    """Oracle: the text, as a user reads it."""

    def _message(self, *spaces) -> str:
        with pytest.raises(GlulamError) as caught:
            _spec(*spaces)
        return str(caught.value)

    MAPPED = (
        "which has no mapping to numbers; there is one for Box, Discrete, MultiDiscrete, MultiBinary, and Dict and "
        "Tuple of them: encode it in a wrapper (gymnasium.wrappers.TransformObservation), or leave it out "
        "(gymnasium.wrappers.FilterObservation)"
    )

    @pytest.mark.parametrize(
        ("space", "shown"),
        [
            (Text(3, charset="ab"), "Text(1, 3, charset=ab)"),
            (Sequence(Discrete(2)), "Sequence(Discrete(2), stack=False)"),
            (Graph(Discrete(2), None), "Graph(Discrete(2), None)"),
            (OneOf([Discrete(2), Discrete(3)]), "OneOf(Discrete(2), Discrete(3))"),
            (Dict(only=Text(3, charset="ab")), "Text(1, 3, charset=ab) at ['only']"),
            (
                Dict(near=Discrete(2), seen=Tuple([Box(0, 1, (2,)), Dict(a=Discrete(2), b=Text(3, charset="ab"))])),
                "Text(1, 3, charset=ab) at ['seen'][1]['b']",
            ),
        ],
    )
    def test_other_observations(self, space, shown):
        assert self._message(space) == f"own: its observations are {shown}, {self.MAPPED}"

    def test_another_dtype(self):
        with pytest.raises(GlulamError) as caught:
            gymnasium_environments.spec("LadderHalf-v0")
        assert str(caught.value) == (
            "gymnasium:LadderHalf-v0: its observations are float16; "
            "glulam-gymnasium supports float32, float64, uint8, int8, int16, int32, int64, bool"
        )

    @pytest.mark.parametrize(
        ("space", "shown"),
        [
            (Box(0, 3, (2,), np.int64), "Box(0, 3, (2,), int64)"),
            (Box(0, 255, (2,), np.uint8), "Box(0, 255, (2,), uint8)"),
            (Dict(one=Discrete(2)), "Dict('one': Discrete(2))"),
            (Tuple([Discrete(2), Box(0, 1, ())]), "Tuple(Discrete(2), Box(0.0, 1.0, (), float32))"),
            (Text(3, charset="ab"), "Text(1, 3, charset=ab)"),
        ],
    )
    def test_other_actions(self, space, shown):
        assert self._message(None, space) == (
            f"own: its actions are {shown}, which no action head can serve; glulam-gymnasium supports Discrete, "
            "MultiDiscrete, MultiBinary and a Box of floating-point numbers: make them one of these in a wrapper "
            "(gymnasium.wrappers.TransformAction)"
        )
