"""GIF and MP4 files. Oracle: the pictures, read back by Pillow and PyAV."""

import sys

import numpy as np
import pytest
from PIL import Image

from glulam import GlulamError
from glulam_train.play.video import check_file, write_video

COLOURS = [(200, 30, 30), (20, 180, 60), (30, 60, 220)]


def pictures(height=20, width=30):
    return [np.full((height, width, 3), colour, np.uint8) for colour in COLOURS]


def test_a_gif_holds_the_pictures_and_their_time(tmp_path):
    write_video(tmp_path / "new" / "a.gif", pictures(), 4)
    with Image.open(tmp_path / "new" / "a.gif") as image:
        assert (image.n_frames, image.size, image.info["loop"], image.info["duration"]) == (3, (30, 20), 0, 250)
        for place, picture in enumerate(pictures()):
            image.seek(place)
            assert np.array_equal(np.asarray(image.convert("RGB")), picture)


@pytest.mark.parametrize(("size", "shown"), [((20, 30), (20, 30)), ((21, 33), (22, 34))])
def test_an_mp4_holds_the_pictures_nearly_and_is_of_even_size(tmp_path, size, shown):
    av = pytest.importorskip("av")
    write_video(tmp_path / "a.mp4", pictures(*size), 5)
    with av.open(str(tmp_path / "a.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert float(container.streams.video[0].average_rate) == 5
    assert len(frames) == 3
    for frame, colour in zip(frames, COLOURS, strict=True):
        assert frame.shape[:2] == shown
        assert np.abs(frame.reshape(-1, 3).mean(0) - colour).max() < 12


@pytest.mark.parametrize("name", ["a.gif", "a.mp4"])
def test_an_older_file_stays_until_the_new_one_is_whole(tmp_path, name):
    if name.endswith("mp4"):
        pytest.importorskip("av")
    (tmp_path / name).write_bytes(b"old")

    def broken():
        yield from pictures()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(tmp_path / name, broken(), 5)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"old"
    write_video(tmp_path / name, pictures(), 5)
    assert (tmp_path / name).read_bytes() != b"old"


def test_pictures_of_other_sizes_are_refused(tmp_path):
    with pytest.raises(GlulamError) as error:
        write_video(tmp_path / "a.gif", [*pictures(), *pictures(40, 30)], 5)
    found = "the environment's pictures change their size, from [20, 30, 3] to [40, 30, 3]"
    assert str(error.value) == f"{found}; those of a video are of one size"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.avi", "a", "gif"])
def test_another_ending_is_refused(tmp_path, name):
    with pytest.raises(GlulamError) as error:
        check_file(tmp_path / name)
    assert str(error.value) == f"{tmp_path / name}: what kind of file is that to be? Let its name end in .gif or .mp4"


def test_without_pyav_an_mp4_is_refused_and_a_gif_is_not(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(GlulamError) as error:
        write_video(tmp_path / "a.mp4", pictures(), 5)
    assert str(error.value) == (
        f"{tmp_path / 'a.mp4'}: an MP4 file needs PyAV (import of av halted; None in sys.modules): pip install av, or "
        "let the name end in .gif"
    )
    write_video(tmp_path / "a.gif", pictures(), 5)


def test_a_file_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(
        GlulamError, match=f"cannot write {tmp_path / 'taken' / 'a.gif'}: (Not a directory|File exists)"
    ):
        write_video(tmp_path / "taken" / "a.gif", pictures(), 5)
