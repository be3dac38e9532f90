"""`record`: pictures of moments with a line under them."""

import numpy as np
import pytest
import torch
from PIL import Image

import glulam
from glulam import GlulamError
from glulam_train.play.recording import record

ENV = "toy:shown_same_step"


@pytest.fixture
def policy():
    torch.manual_seed(0)
    return glulam.build("toy", ENV)


def read(path):
    """Return each frame of a GIF, `(H, W, 3)`, and its milliseconds."""
    frames = []
    with Image.open(path) as image:
        for place in range(image.n_frames):
            image.seek(place)
            frames.append((np.asarray(image.convert("RGB")), image.info["duration"]))
    return frames


def test_each_moment_is_a_picture_and_an_end_stays_for_a_second(policy, tmp_path):
    watched = []
    returns = record(policy, ENV, tmp_path / "a.gif", episodes=2, fps=5, watch=watched.append)
    frames = read(tmp_path / "a.gif")
    assert {frame.shape for frame, _ in frames} == {(160 + 22, 240, 3)}  # 40 times (4, 6), and the line
    assert [int(frame[0, 0, 0]) // 40 for frame, _ in frames] == [0, 1, 3, 0, 1, 2]
    assert [duration for _, duration in frames] == [200, 1000, 200, 200, 200, 1000]
    assert returns == [moment.mean_return for moment in watched if moment.is_end]


def test_the_line_is_not_the_picture_and_changes(policy, tmp_path):
    record(policy, ENV, tmp_path / "a.gif", episodes=2)
    lines = [frame[160:] for frame, _ in read(tmp_path / "a.gif")]
    assert all(len(np.unique(line.reshape(-1, 3), axis=0)) > 3 for line in lines)
    assert len({line.tobytes() for line in lines}) == len(lines)


def test_a_checkpoint_is_played_as_its_policy_is(policy, tmp_path):
    glulam.save(policy, tmp_path / "policy.safetensors")
    returns = [
        record(who, ENV, tmp_path / f"{place}.gif", episodes=5, seed=3)
        for place, who in enumerate([policy, tmp_path / "policy.safetensors", str(tmp_path / "policy.safetensors")])
    ]
    assert returns[0] == returns[1] == returns[2]
    assert (tmp_path / "0.gif").read_bytes() == (tmp_path / "1.gif").read_bytes()


def test_a_wrong_ending_is_told_before_anything_is_loaded(tmp_path):
    with pytest.raises(GlulamError, match="what kind of file is that to be"):
        record(tmp_path / "none.safetensors", ENV, tmp_path / "a.webm")
