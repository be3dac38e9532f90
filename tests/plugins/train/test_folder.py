"""The folder of a run: what is never touched, what is refused, and what a full disk leaves."""

import json

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


class TestWhatItStartsFrom:
    @pytest.mark.parametrize(
        "changes", [{"init_from": "{}"}, {"losses": ["ppo", {"loss": "kickstart", "teacher": "{}"}]}]
    )
    def test_it_is_not_replaced_by_the_run_itself(self, run, settings, changes):
        whole = run()
        whole.train(console=quiet())
        path = whole.folder.checkpoint
        before = path.read_bytes()
        named = json.loads(json.dumps(changes).replace("{}", str(path)))
        message = (
            r"checkpoint\.safetensors is what this run is to start from or to learn from, and it would be replaced: "
        )
        with pytest.raises(GlulamError, match=message + "name another folder with --out$"):
            Run(settings(steps=64, **named), whole.folder.path, overwrite=True)
        assert path.read_bytes() == before


class TestParts:
    def test_halves_of_its_own_files_go_and_others_stay(self, run):
        whole = run()
        whole.train(console=quiet())
        folder = whole.folder.path
        whole.close()
        (folder / ".part.1.settings.yaml").touch()
        (folder / ".part.1.film.gif").touch()
        (folder / ".bundle.1.part").mkdir()
        again = Run.resume(folder, steps=192)
        again.train(console=quiet())
        again.close()
        left = {path.name for path in folder.iterdir() if "part" in path.name}
        assert left == {".part.1.film.gif", ".bundle.1.part"}


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
