"""The folder of a run: what is never touched, what is refused, and what a full disk leaves."""

import pytest
from rich.console import Console

import glulam
from glulam import GlulamError
from glulam_train.run import Run


def quiet():
    return Console(quiet=True)


@pytest.fixture
def run(settings, tmp_path):
    """Make a small run in `tmp_path/run`."""
    made = []

    def make(**changes):
        made.append(Run(settings(steps=128, tensorboard=False, **changes), tmp_path / "run"))
        return made[-1]

    yield make
    for item in made:
        item.close()


class TestOverwrite:
    def test_what_no_run_has_left_is_never_touched(self, run, settings):
        whole = run()
        whole.train(console=quiet())
        (whole.folder.points / "cv.tex").write_text("mine")
        whole.folder.tensorboard.mkdir()
        (whole.folder.tensorboard / "notes").write_text("mine")
        again = Run(settings(steps=64, tensorboard=False), whole.folder.path, overwrite=True)
        again.train(console=quiet())
        again.close()
        assert (whole.folder.points / "cv.tex").read_text() == "mine"
        assert (whole.folder.tensorboard / "notes").read_text() == "mine"
        points = {path.name for path in whole.folder.points.iterdir()} - {"cv.tex"}
        assert points == {"000000000000", "000000000064"}

    @pytest.mark.parametrize("name", ["settings.yaml", "curve.png", "resume"])
    def test_a_folder_that_no_run_has_left_is_refused(self, settings, tmp_path, name):
        (tmp_path / "project").mkdir()
        (tmp_path / "project" / name).write_text("mine")
        with pytest.raises(GlulamError, match=rf"project holds {name}, but no settings\.yaml of a run: name another"):
            Run(settings(), tmp_path / "project", overwrite=True)


class TestDisk:
    def test_metrics_that_cannot_be_written(self, run, monkeypatch):
        started = run()

        def full(self, row):
            with self._explained():
                raise OSError(28, "No space left on device")

        monkeypatch.setattr("glulam_train.scalars.Scalars.write", full)
        with pytest.raises(GlulamError, match=r"cannot write the metrics of .*run: No space left on device; once that"):
            started.train(console=quiet())

    def test_a_curve_that_cannot_be_drawn_loses_nothing(self, run):
        started = run()
        started.folder.path.mkdir()
        start = started.folder.start
        started.folder.start = lambda settings: (start(settings), started.folder.curve.mkdir())
        with pytest.raises(GlulamError, match=r"trained and saved, but .*curve\.png cannot be written: Is a directory"):
            started.train(console=quiet())
        assert glulam.load(started.folder.checkpoint, "toy:cues")
