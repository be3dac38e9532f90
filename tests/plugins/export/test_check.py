"""The check finds what is wrong with a program, whatever it is."""

import pytest
import torch

from glulam import GlulamError
from glulam_export.check import check
from glulam_export.step import StepFunction


def broken(step, how):
    """Return a program that is not quite the step function."""

    def run(inputs):
        found = step(how.get("inputs", dict)(inputs))
        return found | how.get("outputs", lambda _: {})(found)

    return run


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"outputs": lambda found: {"values": found["values"] + 1e-3}}, "output 'values' differs .* by 0.001; nothing"),
        (
            {"outputs": lambda found: {"actions": (found["actions"] + 1) % 3}},
            "output 'actions' differs from the policy's by",
        ),
        ({"outputs": lambda found: {"logits": found["logits"].double()}}, "'logits' is torch.float64 .*not torch.floa"),
        ({"outputs": lambda found: {"values": found["values"][:, None]}}, r"'values' is .*\[1, 1\], not .*\[1\]"),
        ({"outputs": lambda found: {"values": found["values"] * torch.nan}}, "output 'values' differs .* by nan"),
        (
            {"inputs": lambda inputs: inputs | {"dones": torch.zeros_like(inputs["dones"])}},
            "test of policy 'small', . rows: output .* differs",
        ),
        (
            {"outputs": lambda found: {"next_state.memory.h": found["next_state.memory.h"] * 0}},
            "output 'next_state.memory.h' differs",
        ),
    ],
)
def test_a_program_that_differs_is_refused(tiny, how, message):
    step = StepFunction(tiny)
    with pytest.raises(GlulamError, match=message):
        check(step, broken(step, how), "test")


def test_a_program_may_differ_by_rounding(tiny):
    step = StepFunction(tiny)
    check(step, broken(step, {"outputs": lambda found: {"values": found["values"] + 1e-6}}), "test")
