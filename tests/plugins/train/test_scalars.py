"""What TensorBoard reads is what the metrics say. Oracle: TensorBoard's own reader."""

import json

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from glulam_train.folder import RunFolder
from glulam_train.scalars import Scalars

ROWS = [
    {"agent_steps": 64, "return_mean": None, "ppo/entropy": 1.5},
    {"agent_steps": 128, "return_mean": 2.25, "ppo/entropy": 1.25},
]


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path)


def written(folder, tag):
    reader = EventAccumulator(str(folder.tensorboard)).Reload()
    return [(event.step, event.value) for event in reader.Scalars(tag)]


def test_each_number_is_there_under_its_agent_steps(folder):
    with Scalars(folder, 0, tensorboard=True) as scalars:
        for row in ROWS:
            scalars.write(row)
    assert written(folder, "train/return_mean") == [(128, 2.25)]
    assert written(folder, "ppo/entropy") == [(64, 1.5), (128, 1.25)]
    assert [json.loads(line) for line in folder.metrics.read_text().splitlines()] == ROWS


def test_what_a_resumed_run_does_again_is_not_there_twice(folder):
    with Scalars(folder, 0, tensorboard=True) as scalars:
        for row in ROWS:
            scalars.write(row)
    with Scalars(folder, 64, tensorboard=True) as scalars:
        scalars.write(ROWS[1] | {"ppo/entropy": 9.0})
    assert written(folder, "ppo/entropy") == [(64, 1.5), (128, 9.0)]


def test_it_can_be_left_out(folder):
    with Scalars(folder, 0, tensorboard=False) as scalars:
        scalars.write(ROWS[0])
    assert not folder.tensorboard.exists()
