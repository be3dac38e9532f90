"""GIF and MP4 files of pictures, written while they come."""

from __future__ import annotations

from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

import glulam
from glulam import GlulamError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Pictures = Iterator[NDArray[np.uint8]]

__all__ = ["check_file", "write_video"]

COLOURS = 255  # of a picture in a GIF


def check_file(path: Path) -> None:
    """Refuse a file that `write_video` could not write, before anything is played for it.

    Raises:
        GlulamError: if its ending is another than `.gif` or `.mp4`, or what writes an MP4 file is not installed.
    """
    if path.suffix.lower() not in _WRITERS:
        msg = f"{path}: what kind of file is that to be? Let its name end in {' or '.join(_WRITERS)}"
        raise GlulamError(msg)
    if path.suffix.lower() == ".mp4":
        try:
            import av  # noqa: F401 - whether it is there
        except ImportError as error:
            msg = f"{path}: an MP4 file needs PyAV ({error}): pip install av, or let the name end in .gif"
            raise GlulamError(msg) from error


def write_video(path: Path, pictures: Iterable[NDArray[np.uint8]], fps: float) -> None:
    """Write pictures `(H, W, 3)` of one size as a GIF or MP4 file, whole or not at all; its folder is made if need be.

    Args:
        path: ends in `.gif` or `.mp4`; an older file is replaced once the new one is complete.
        pictures: at least one; each is asked for when those before it are written.
        fps: pictures a second; in a GIF as near as hundredths of a second come.

    Raises:
        GlulamError: if the file cannot be written, or the pictures have different sizes.
    """
    check_file(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with glulam.replacing(path) as part:
            _WRITERS[path.suffix.lower()](part, _of_one_size(pictures), fps)
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror or error}"
        raise GlulamError(msg) from error


def _of_one_size(pictures: Iterable[NDArray[np.uint8]]) -> Pictures:
    first: tuple[int, ...] | None = None
    for picture in pictures:
        first = first or picture.shape
        if picture.shape != first:
            sizes = f"from {list(first)} to {list(picture.shape)}"
            msg = f"the environment's pictures change their size, {sizes}; those of a video are of one size"
            raise GlulamError(msg)
        yield picture


def _gif(path: Path, pictures: Pictures, fps: float) -> None:
    images = (
        Image.fromarray(picture).quantize(COLOURS, dither=Image.Dither.NONE) for picture in pictures
    )  # one at a time
    first = next(images)
    with path.open("wb") as file:
        first.save(file, format="GIF", save_all=True, append_images=images, duration=round(1000 / fps), loop=0)


def _mp4(path: Path, pictures: Pictures, fps: float) -> None:
    import av

    first = next(pictures)
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream: Any = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.height, stream.width = (size + size % 2 for size in first.shape[:2])  # the format halves colours
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "20"}
        for picture in chain([first], pictures):
            padding = [(0, stream.height - len(picture)), (0, stream.width - picture.shape[1]), (0, 0)]
            frame = av.VideoFrame.from_ndarray(np.pad(picture, padding, mode="edge"), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


_WRITERS: dict[str, Callable[[Path, Pictures, float], None]] = {".gif": _gif, ".mp4": _mp4}
