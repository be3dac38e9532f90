"""The buffer holds what the spec says, to the byte, and gives each segment once."""

import pytest
import torch
from tensordict import TensorDict

from glulam import GlulamError, TensorSpec
from glulam_train.buffer import ExperienceBuffer

SPEC = {
    "env_obs": TensorSpec((2, 3), "uint8"),
    "rewards": TensorSpec((), "float32"),
    "advantages": TensorSpec((), "float32"),
    ("memory", "h"): TensorSpec((5,), "float32", per="segment"),
}


@pytest.fixture
def buffer():
    """Four segments of three steps; every stored number tells its row and step."""
    made = ExperienceBuffer(SPEC, segments=4, horizon=3, computed={"advantages"})
    rows = torch.arange(4.0)
    made.start(TensorDict({"memory": {"h": rows[:, None].expand(4, 5)}}, batch_size=[4]))
    for t in range(3):
        obs = (10 * rows + t).byte()[:, None, None].expand(4, 2, 3)
        made.store(t, TensorDict({"env_obs": obs, "rewards": 10 * rows + t, "more": rows}, batch_size=[4]))
    made.fill("advantages", -made["rewards"])
    return made


def test_its_bytes_are_those_of_the_spec_and_of_its_tensors(buffer):
    assert buffer.bytes == 4 * 3 * (6 + 4 + 4) + 4 * 5 * 4
    tensors = [*buffer.steps.values(), *buffer.starts.values()]
    assert sum(tensor.numel() * tensor.element_size() for tensor in tensors) == buffer.bytes


def test_undeclared_keys_are_not_stored(buffer):
    assert set(buffer.steps) | set(buffer.starts) == set(SPEC)
    assert "more" not in buffer


@pytest.mark.parametrize("count", [1, 2, 4])
def test_minibatches_hold_each_segment_once_and_whole(buffer, count):
    seen = []
    for steps, start in buffer.minibatches(count, torch.Generator().manual_seed(3)):
        assert steps.batch_size == (4 // count, 3)
        assert start.batch_size == (4 // count,)
        rows = start["memory", "h"][:, 0]
        expected = 10 * rows[:, None] + torch.arange(3)
        torch.testing.assert_close(steps["rewards"], expected)
        torch.testing.assert_close(steps["env_obs"][:, :, 1, 2].float(), expected)
        torch.testing.assert_close(steps["advantages"], -expected)
        seen += rows.tolist()
    assert sorted(seen) == [0, 1, 2, 3]


def test_one_minibatch_is_not_copied(buffer):
    [(steps, _)] = buffer.minibatches(1)
    assert steps["env_obs"].data_ptr() == buffer["env_obs"].data_ptr()


def test_shuffles_follow_the_generator(buffer):
    def order(seed):
        parts = buffer.minibatches(4, torch.Generator().manual_seed(seed))
        return [float(start["memory", "h"][0, 0]) for _, start in parts]

    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(8)}) > 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda td: td.exclude("rewards"), r"'rewards' is to be stored with shape \[4\], but the rollout does not"),
        (lambda td: td.set("rewards", torch.zeros(4, 1)), r"with shape \[4\], but it has shape \[4, 1\]"),
    ],
    ids=["missing", "another shape"],
)
def test_what_does_not_fit_is_named(buffer, change, message):
    td = TensorDict({"env_obs": torch.zeros(4, 2, 3), "rewards": torch.zeros(4)}, batch_size=[4])
    with pytest.raises(GlulamError, match=message):
        buffer.store(0, change(td))


def test_a_state_of_another_shape_is_named(buffer):
    state = TensorDict({"memory": {"h": torch.zeros(4, 6)}}, batch_size=[4])
    with pytest.raises(GlulamError, match=r"\('memory', 'h'\) is to be stored with shape \[4, 5\], but it has"):
        buffer.start(state)
