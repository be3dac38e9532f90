"""The buffer holds what the spec says, to the byte, and gives each segment once."""

import math
import re
from pathlib import Path

import pytest
import torch
from tensordict import TensorDict

import glulam
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
    made = ExperienceBuffer(SPEC, rows=4, horizon=3, computed={"advantages"})
    rows = torch.arange(4.0)
    made.start(0, TensorDict({}, [4]), TensorDict({"memory": {"h": rows[:, None].expand(4, 5)}}, batch_size=[4]))
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
    for part in buffer.minibatches(count, torch.Generator().manual_seed(3)):
        steps, start = part.steps, part.starts
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
    [part] = buffer.minibatches(1)
    assert part.steps["env_obs"].data_ptr() == buffer["env_obs"].data_ptr()


def test_shuffles_follow_the_generator(buffer):
    def order(seed):
        parts = buffer.minibatches(4, torch.Generator().manual_seed(seed))
        return [float(part.starts["memory", "h"][0, 0]) for part in parts]

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
        buffer.start(0, state, state)


CUT_SPEC = {
    "x": TensorSpec((), "float32"),
    "first": TensorSpec((), "float32", per="segment"),
    ("memory", "h"): TensorSpec((), "float32", per="segment"),
}


class TestCuts:
    """Two rows of six steps, cut into segments of two; every number tells its row and step."""

    @pytest.fixture
    def cut(self):
        made = ExperienceBuffer(CUT_SPEC, rows=2, horizon=6, segment=2, following={"x"})
        for t in range(7):
            numbers = torch.tensor([0.0, 10.0]) + t
            td = TensorDict({"x": numbers, "first": numbers}, batch_size=[2])
            if t == 6:
                made.finish(td)
                break
            if made.begins_at(t):
                made.start(t, td, TensorDict({"memory": {"h": -numbers}}, batch_size=[2]))
            made.store(t, td)
        return made

    @pytest.mark.parametrize("count", [1, 2, 3, 6])
    def test_each_segment_has_its_steps_its_start_and_the_steps_that_follow(self, cut, count):
        seen = []
        for part in cut.minibatches(count, torch.Generator().manual_seed(0)):
            assert part.steps.batch_size == (6 // count, 2)
            first = part.starts["first"]
            assert torch.equal(part.starts["memory", "h"], -first)
            assert torch.equal(part.steps["x"], first[:, None] + torch.arange(2))
            assert torch.equal(part.following["x"], part.steps["x"] + 1)
            stored = part.stored()
            assert torch.equal(stored["next", "x"], stored["x"] + 1)
            assert torch.equal(stored["first"], first)
            seen += first.tolist()
        assert sorted(seen) == [0, 2, 4, 10, 12, 14]

    def test_whole_rows_are_followed_by_the_last_step(self):
        made = ExperienceBuffer({"x": TensorSpec((), "float32")}, rows=1, horizon=2, following={"x"})
        for t in range(2):
            made.store(t, TensorDict({"x": torch.tensor([float(t)])}, batch_size=[1]))
        made.finish(TensorDict({"x": torch.tensor([2.0])}, batch_size=[1]))
        [part] = made.minibatches(1)
        assert part.steps["x"].tolist() == [[0, 1]]
        assert part.following["x"].tolist() == [[1, 2]]

    def test_what_is_left_after_a_burn_in(self, cut):
        for part in cut.minibatches(6):
            left = part.after(1)
            assert torch.equal(left.steps["x"], part.steps["x"][:, 1:])
            assert torch.equal(left.following["x"], part.following["x"][:, 1:])

    def test_its_bytes_are_those_of_its_tensors(self, cut):
        assert cut.bytes == 4 * (2 * 7 + 2 * 3 + 2 * 3)

    def test_a_segment_that_does_not_divide_is_refused(self):
        with pytest.raises(GlulamError, match="segments of 4 steps do not divide the horizon of 6"):
            ExperienceBuffer(CUT_SPEC, rows=2, horizon=6, segment=4)


class TestElsewhere:
    """Minibatches that are used on another device than the one that the buffer lies on; `cpu:0` stands for it."""

    @pytest.mark.parametrize("count", [1, 2])
    def test_they_hold_the_same(self, buffer, count):
        def parts(to):
            buffer.to = torch.device(to)
            return list(buffer.minibatches(count, torch.Generator().manual_seed(3)))

        for ours, theirs in zip(parts("cpu:0"), parts("cpu"), strict=True):
            for kind in ("steps", "starts"):
                found, expected = getattr(ours, kind), getattr(theirs, kind)
                assert {*found.keys(True, True)} == {*expected.keys(True, True)}
                assert all(torch.equal(found[key], expected[key]) for key in expected.keys(True, True))

    @pytest.mark.parametrize("count", [1, 2, 4])
    def test_an_epoch_moves_the_buffer_once(self, buffer, count, monkeypatch):
        moved = []
        to = torch.Tensor.to
        monkeypatch.setattr(
            torch.Tensor, "to", lambda x, *args, **kw: moved.append((x.nbytes, kw)) or to(x, *args, **kw)
        )
        buffer.to = torch.device("cpu:0")
        list(buffer.minibatches(count))
        sent = [size for size, given in moved if given == {"non_blocking": True}]
        assert sum(sent) == buffer.bytes
        assert len(sent) == count * len(SPEC)


def test_the_sizes_that_the_docs_tell_are_those_of_the_policies():
    """Oracle: bytes added up here from the spec."""
    page = (Path(__file__).parents[3] / "docs" / "training.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+)` in `([\w:]+)` \| ([\d,]+) \| ([\d,]+) \| ([\d.]+) MiB \|$", page, re.MULTILINE)
    assert told
    for name, env, *numbers in told:
        policy = glulam.build(name, env, losses=("ppo",))
        sizes = {"step": 0, "segment": 0}
        for tensor in policy.experience_spec().values():
            sizes[tensor.per] += math.prod(tensor.shape) * getattr(torch, tensor.dtype).itemsize
        rows = 32 * policy.env.num_agents  # the defaults: 32 environments, a horizon of 32
        whole = rows * (32 * sizes["step"] + sizes["segment"])
        assert numbers == [f"{sizes['step']:,}", f"{sizes['segment']:,}", f"{whole / 2**20:.1f}"]
        buffer = ExperienceBuffer(policy.experience_spec(), rows=rows, horizon=32)
        assert buffer.bytes == whole
