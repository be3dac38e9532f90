"""Which actions an environment takes, of each kind."""

from __future__ import annotations

import pytest
import torch

from glulam import ActionSpec, BoxLayout, EnvSpec, GlulamError, checked_actions

ACTIONS = {
    "discrete": ActionSpec(names=("left", "right", "stay")),
    "multi-discrete": ActionSpec(names=("go:left", "go:right", "use:a", "use:b", "use:c"), choices=(2, 3)),
    "continuous": ActionSpec(names=("gas", "wheel"), low=(0, None), high=(1, None)),
}


def _spec(kind: str) -> EnvSpec:
    return EnvSpec(name="own", box=BoxLayout(shape=(1,)), actions=ACTIONS[kind])


class TestTaken:
    """Oracle: the actions themselves."""

    @pytest.mark.parametrize(
        ("kind", "actions"),
        [
            ("discrete", torch.tensor([0, 2, 1])),
            ("discrete", torch.tensor([0, 2, 1], dtype=torch.int32)),
            ("multi-discrete", torch.tensor([[0, 0], [1, 2], [0, 1]])),
            ("multi-discrete", torch.tensor([[0, 0], [1, 2], [0, 1]], dtype=torch.int32)),
            ("continuous", torch.tensor([[0.5, -9.0], [7.0, 0.0], [-7.0, 3e38]])),
            ("continuous", torch.tensor([[0.5, -9.0], [7.0, 0.0], [-7.0, 1e300]], dtype=torch.float64)),
        ],
    )
    def test_they_stay_as_they_are(self, kind, actions):
        before = actions.clone()
        given = checked_actions(actions, _spec(kind), 3)
        assert torch.equal(given, before)
        assert given.dtype == actions.dtype
        assert given.data_ptr() == actions.data_ptr()

    def test_a_sample_that_carries_a_gradient(self):
        mean = torch.zeros(1, 2, requires_grad=True)
        given = checked_actions(mean + 1, _spec("continuous"), 1)
        assert given.numpy().tolist() == [[1.0, 1.0]]


SHAPES = {
    "a column": (
        "discrete",
        torch.zeros(2, 1, dtype=torch.int64),
        "torch.int64 [2, 1]; they must be torch.int64 [2], one a row",
    ),
    "a row too many": (
        "discrete",
        torch.zeros(3, dtype=torch.int64),
        "torch.int64 [3]; they must be torch.int64 [2], one a row",
    ),
    "numbers for an index": ("discrete", torch.zeros(2), "torch.float32 [2]; they must be torch.int64 [2], one a row"),
    "bytes": (
        "discrete",
        torch.zeros(2, dtype=torch.uint8),
        "torch.uint8 [2]; they must be torch.int64 [2], one a row",
    ),
    "one choice of two": (
        "multi-discrete",
        torch.zeros(2, dtype=torch.int64),
        "torch.int64 [2]; they must be torch.int64 [2, 2], an option of each choice a row",
    ),
    "a choice too many": (
        "multi-discrete",
        torch.zeros(2, 3, dtype=torch.int64),
        "torch.int64 [2, 3]; they must be torch.int64 [2, 2], an option of each choice a row",
    ),
    "numbers for options": (
        "multi-discrete",
        torch.zeros(2, 2),
        "torch.float32 [2, 2]; they must be torch.int64 [2, 2], an option of each choice a row",
    ),
    "one number of two": (
        "continuous",
        torch.zeros(2),
        "torch.float32 [2]; they must be torch.float32 [2, 2], a number of each name a row",
    ),
    "indices for numbers": (
        "continuous",
        torch.zeros(2, 2, dtype=torch.int64),
        "torch.int64 [2, 2]; they must be torch.float32 [2, 2], a number of each name a row",
    ),
    "half numbers": (
        "continuous",
        torch.zeros(2, 2, dtype=torch.bfloat16),
        "torch.bfloat16 [2, 2]; they must be torch.float32 [2, 2], a number of each name a row",
    ),
}

VALUES = {
    "too high": ("discrete", torch.tensor([0, 3]), "action 3 in row 1; actions go from 0 to 2"),
    "negative": ("discrete", torch.tensor([-1, 2]), "action -1 in row 0; actions go from 0 to 2"),
    "a number that 32 bits would wrap": (
        "discrete",
        torch.tensor([0, 2**32]),
        "action 4294967296 in row 1; actions go from 0 to 2",
    ),
    "an option of the next choice": (
        "multi-discrete",
        torch.tensor([[0, 2], [2, 0]]),
        "option 2 of choice 0 in row 1; its options go from 0 to 1",
    ),
    "a negative option": (
        "multi-discrete",
        torch.tensor([[0, -1], [2, 0]], dtype=torch.int32),
        "option -1 of choice 1 in row 0; its options go from 0 to 2",
    ),
    "no number": (
        "continuous",
        torch.tensor([[9.0, -9.0], [0.0, torch.nan]]),
        "'wheel' is nan in row 1; actions are finite numbers",
    ),
    "infinite": (
        "continuous",
        torch.tensor([[0.0, 0.0], [-torch.inf, torch.nan]]),
        "'gas' is -inf in row 1; actions are finite numbers",
    ),
}


class TestRefused:
    """Oracle: the text, as a user reads it."""

    @pytest.mark.parametrize("case", SHAPES)
    def test_another_shape_or_dtype(self, case):
        kind, actions, words = SHAPES[case]
        with pytest.raises(GlulamError) as caught:
            checked_actions(actions, _spec(kind), 2)
        assert str(caught.value) == f"own: actions are {words}"

    @pytest.mark.parametrize("case", VALUES)
    def test_a_value_that_there_is_not(self, case):
        kind, actions, words = VALUES[case]
        with pytest.raises(GlulamError) as caught:
            checked_actions(actions, _spec(kind), 2)
        assert str(caught.value) == f"own: {words}"
