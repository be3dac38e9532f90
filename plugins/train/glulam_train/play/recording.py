"""Episodes in a file: `record` is what `glulam play -o FILE` does, for other programs too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import glulam
from glulam_train.play.moments import playing
from glulam_train.play.video import check_file, write_video

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from glulam import Policy
    from glulam_train.play.moments import Moment

__all__ = ["FPS", "record"]

FPS = 10.0
"""Steps a second of a film, unless another number is asked for."""
SMALLEST = 240  # pixels; smaller pictures are enlarged
PAPER, INK, FAINT = (33, 37, 41), (255, 255, 255), (165, 172, 180)


def record(  # noqa: PLR0913 - each an independent, named choice
    policy: Policy | str | Path,
    env: str,
    path: str | Path,
    *,
    episodes: int = 1,
    seed: int = 0,
    greedy: bool = False,
    fps: float = FPS,
    watch: Callable[[Moment], None] | None = None,
) -> list[float]:
    """Play episodes and write them to a GIF or MP4 file, a line under each picture; whole or not at all.

    Args:
        policy: a checkpoint, or a policy that is initialised to the environment.
        env: an environment that can be looked at, such as `mettagrid:forage`.
        path: ends in `.gif` or `.mp4`, which needs PyAV; its folder is made if need be.
        episodes: how many, one after another.
        seed: of episodes and actions; they start as those that `glulam eval` plays first with it.
        greedy: take the likeliest action instead of drawing one.
        fps: steps a second.
        watch: called with each moment, to show how far it is.

    Returns:
        The return of each episode, the mean of its agents'.

    Raises:
        GlulamError: if the checkpoint cannot be loaded or does not fit the environment, the environment cannot be
            looked at, or the file cannot be written.
    """
    path = Path(path)
    check_file(path)
    if isinstance(policy, (str, Path)):
        policy = glulam.load(policy, env)
    returns: list[float] = []

    def watched(moments: Iterable[Moment]) -> Iterator[Moment]:
        for moment in moments:
            if moment.is_end:
                returns.append(moment.mean_return)
            if watch is not None:
                watch(moment)
            yield moment

    with playing(policy, env, episodes=episodes, seed=seed, greedy=greedy) as moments:
        write_video(path, _pictures(watched(moments), fps), fps)
    return returns


def _pictures(moments: Iterable[Moment], fps: float) -> Iterator[NDArray[np.uint8]]:
    """Yield a picture for each moment; the end of an episode stays for a second."""
    for moment in moments:
        picture = _captioned(moment)
        for _ in range(max(1, round(fps)) if moment.is_end else 1):
            yield picture


def _captioned(moment: Moment) -> NDArray[np.uint8]:
    """Return a moment's picture, enlarged if need be, with a line under it."""
    picture = np.asarray(moment.view)
    factor = -(-SMALLEST // max(picture.shape[:2]))
    picture = picture.repeat(factor, axis=0).repeat(factor, axis=1)  # (H, W, 3)
    width = picture.shape[1]
    size = min(18, max(11, width // 26))
    strip = Image.new("RGB", (width, 2 * size), PAPER)
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(size)
    alone = len(moment.returns) == 1
    done = f"  {moment.actions[0]}" if alone and moment.actions else ""
    earned = f"{'return' if alone else 'mean return'} {moment.mean_return:.2f}"
    draw.text((size / 2, size), f"step {moment.step}{done}", fill=FAINT, font=font, anchor="lm")
    draw.text((width - size / 2, size), earned, fill=INK, font=font, anchor="rm")
    return np.concatenate([picture, np.asarray(strip)])
