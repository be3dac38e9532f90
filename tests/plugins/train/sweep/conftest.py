"""A sweep of the toy world; its processes see the fake distribution, or only pretend to train."""

from pathlib import Path

import pytest

from glulam_train.sweep import budget, pool
from glulam_train.sweep.plan import make_plan
from glulam_train.sweep.sweep_file import read_sweep
from tests.plugins.train.sweep.fakes import FAKE, HEAD, measured

SITE = Path(__file__).parents[1] / "site"


@pytest.fixture(scope="session", autouse=True)
def seen_by_processes():
    """Install the fake distribution for processes too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(SITE))
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture
def written(tmp_path):
    """Write a sweep's file: the usual head, changed, and variants."""

    def write(variants="{plain: {}}", head=HEAD, name="sweep.yaml"):
        path = tmp_path / name
        path.write_text(f"{head}variants: {variants}\n", encoding="utf-8")
        return path

    return write


@pytest.fixture
def planned(written, tmp_path):
    """Make the plan of a sweep in `tmp_path/out`."""
    return lambda *args, **kwargs: make_plan(read_sweep(written(*args, **kwargs)), tmp_path / "out")


@pytest.fixture
def no_trial(monkeypatch):
    """Leave the trials out: every variant has the same pace."""
    monkeypatch.setattr(budget, "measure", measured)


@pytest.fixture
def fakes(monkeypatch, no_trial):
    """Have processes that pretend to train."""
    monkeypatch.setattr(pool, "START", FAKE)
