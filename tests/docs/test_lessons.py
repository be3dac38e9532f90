"""The files of the lessons are sweeps, and the layer that is made for one is what it says."""

from pathlib import Path

import pytest
import torch

from glulam_memory.configs import LstmConfig
from glulam_train.sweep.plan import make_plan
from glulam_train.sweep.sweep_file import read_sweep
from tests.evidence.lessons import FOLDER, LESSONS, SITE


@pytest.fixture(autouse=True)
def site(monkeypatch):
    monkeypatch.syspath_prepend(str(SITE))


@pytest.mark.parametrize("name", LESSONS)
def test_each_can_be_run(name, tmp_path):
    plan = make_plan(read_sweep(FOLDER / f"{name}.yaml"), tmp_path)
    compared = [variant for variant in plan.sweep.variants if len(variant.seeds) > 1]
    assert all(len(variant.seeds) >= 5 for variant in compared)
    assert len(compared) >= 2


def test_none_is_forgotten():
    files = {path.stem for path in Path(FOLDER).glob("*.yaml") if path.read_text().find("glulam_sweep: 1") >= 0}
    assert files == {*LESSONS}


def test_the_deaf_lstm_hears_the_first_reset_alone():
    from lessons_layers.configs import DeafLstmConfig

    torch.manual_seed(0)
    deaf = DeafLstmConfig(in_dim=3, hidden_size=4).build()
    hears = LstmConfig(in_dim=3, hidden_size=4).build()
    hears.load_state_dict(deaf.state_dict())
    x, state = torch.randn(2, 5, 3), {key: torch.randn(value.shape) for key, value in hears.initial_state(2).items()}
    inside = torch.zeros(2, 5, dtype=torch.bool)
    inside[0, 2] = True
    first = torch.zeros_like(inside)
    first[:, 0] = True
    torch.testing.assert_close(deaf.sequence(x, first | inside, state)[0], hears.sequence(x, first, state)[0])
    assert not torch.allclose(hears.sequence(x, first | inside, state)[0], hears.sequence(x, first, state)[0])
