"""What a run goes on with when it comes back to its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glulam import GlulamError
from glulam_train.ranks import RankError
from glulam_train.settings import read_settings

if TYPE_CHECKING:
    from glulam_train.folder import RunFolder
    from glulam_train.ranks import Ranks
    from glulam_train.resume import Point
    from glulam_train.settings import TrainSettings

__all__ = ["check_same", "found_in"]


def check_same(settings: TrainSettings, ranks: Ranks) -> None:
    """Refuse ranks that were started with different settings.

    Raises:
        RankError: naming the first that was, and what differs.
    """
    first, *others = ranks.gather(settings.plain())
    for rank, theirs in enumerate(others, start=1):
        changed = [f"{name} is {theirs[name]!r}, not {mine!r}" for name, mine in first.items() if theirs[name] != mine]
        if changed:
            msg = f"rank {rank} was started with other settings than rank 0: {'; '.join(changed)}"
            raise RankError(msg)


def found_in(
    folder: RunFolder, settings: TrainSettings | None, steps: int | None, ranks: Ranks
) -> tuple[Point | None, TrainSettings, list[str]]:
    """Return where a run is to go on, with which settings, and what was skipped; this process holds the folder then.

    Args:
        folder: of the run.
        settings: of it; read from there when None.
        steps: agent-steps of the whole training, where they are not to be those of the file.
        ranks: who is to go on.

    Raises:
        GlulamError: if there is no run, or none that these ranks could go on with.
    """
    if not folder.settings.is_file():
        msg = f"{folder.path} holds no run: there is no settings.yaml in it"
        raise GlulamError(msg)
    known = settings or read_settings(folder.settings)
    settings = known if settings or steps is None else read_settings(folder.settings, steps=steps)
    folder.hold()
    point, problems = _point_of(folder, settings, ranks)
    if point is not None and settings.steps < min(known.steps, point.agent_steps):
        msg = f"{folder.path} has {point.agent_steps:,} agent-steps already, and --steps is of the whole training: "
        msg += f"write more than {settings.steps}"
        raise GlulamError(msg)
    return point, settings, problems


def _point_of(folder: RunFolder, settings: TrainSettings, ranks: Ranks) -> tuple[Point | None, list[str]]:
    """Return where a run is to go on, None for one that was killed before it had begun, and what was skipped."""
    point, problems = folder.resume_points(settings).newest()
    if point is not None:
        point.check(settings, ranks.size)
    elif folder.is_trained:
        found = "; ".join(problems) or f"there are no points in {folder.points}"
        msg = f"{folder.path} cannot be resumed: {found}. Its files are as they were; to start from its checkpoint, "
        msg += f"glulam train --config {folder.settings} --set init_from={folder.checkpoint} --out FOLDER"
        raise GlulamError(msg)
    return point, problems
