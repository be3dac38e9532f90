"""Points to resume from: all that decides the numbers of the rest of a run.

A point is a folder named after the agent-steps trained: the policy as a checkpoint, and beside it what the trainer
knows. Simulators cannot be saved, so a point is only taken where the run enters fresh environments with empty
memory, and an uninterrupted run does the same.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import torch

import glulam
from glulam import GlulamError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from glulam_train.ranks import Ranks
    from glulam_train.settings import TrainSettings
    from glulam_train.trainer import Trainer

__all__ = ["Point", "ResumePoints", "deal"]

# What may change from one part of a run to the next.
FREE = (
    *("steps", "checkpoint_interval", "keep_checkpoints", "tensorboard"),
    *("device", "buffer_device", "threads", "env_workers", "rank_timeout"),
)
POLICY, TRAINER = "policy.safetensors", "trainer.safetensors"


@attrs.frozen(eq=False)
class Point:
    """A verified point: its folder, `agent_steps`, the number of the `boundary`, and the trainer's state.

    `others` is that of the trainers of the other ranks; `policy` the policy's file, where the folder is elsewhere.

    Attributes:
        path: the folder of the point.
        agent_steps: agent-steps trained before it.
        header: counters and checks, as plain values.
        tensors: weights, optimiser, buffer and random states by name.
    """

    path: Path
    agent_steps: int
    boundary: int
    header: dict[str, Any]
    tensors: dict[str, Tensor]
    others: tuple[tuple[dict[str, Any], dict[str, Tensor]], ...] = ()
    policy: bytes | None = None

    @property
    def ranks(self) -> int:
        """How many ranks trained."""
        return int(self.header.get("ranks", 1))

    @contextmanager
    def policy_file(self) -> Iterator[Path]:
        """Give the policy's checkpoint as a file."""
        if self.policy is None:
            yield self.path / POLICY
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / POLICY
            path.write_bytes(self.policy)
            yield path

    def check(self, settings: TrainSettings, ranks: int = 1) -> None:
        """Refuse settings or a number of ranks that are not those of this point.

        Raises:
            GlulamError: naming the fields that were changed.
        """
        if ranks != self.ranks:
            msg = f"{self.path.parent.parent} was trained by {_processes(self.ranks)} and cannot go on with "
            msg += f"{_processes(ranks)}: start {_command(self.ranks)}, or another run from its checkpoint with "
            msg += "init_from"
            raise GlulamError(msg)
        ours, theirs = self.header["settings"], settings.plain()
        changed = [
            f"{name} from {ours.get(name)!r} to {theirs[name]!r}" for name in theirs if _differ(name, ours, theirs)
        ]
        if changed:
            msg = f"{self.path.parent.parent}: settings.yaml was changed since: {'; '.join(changed)}; change it back, "
            msg += "or start another run from the checkpoint with init_from"
            raise GlulamError(msg)

    def restore(self, trainer: Trainer) -> None:
        """Put a trainer, newly made from the same settings, into the state of this point."""
        part = {name: _under(self.tensors, f"{name}/") for name in ("adam", "buffer", "losses", "reward_scale")}
        trainer.agent_steps = self.agent_steps
        trainer.optimizer.load_state_dict(part["adam"])
        for name, tensor in _buffer(trainer):
            tensor.copy_(part["buffer"][name])
        for name, term in trainer.terms.items():
            if hasattr(term, "load_state_dict"):
                term.load_state_dict(_under(part["losses"], f"{name}/"))
        if trainer.reward_scale is not None:
            trainer.reward_scale.load_state_dict(part["reward_scale"])
        trainer.rollout.episodes.restore(self.header["episodes"], self.header["finished"])
        trainer.shuffles.set_state(self.tensors["rng/shuffles"])
        if "rng/cuda" in self.tensors:
            torch.cuda.set_rng_state(self.tensors["rng/cuda"], trainer.policy.device)
        torch.set_rng_state(self.tensors["rng/torch"])  # last: nothing may draw in between


def deal(point: Point | None, ranks: Ranks) -> Point | None:
    """Give each rank its part of the point that the first has read, if it has; the others need not see its folder."""
    if ranks.size == 1:
        return point
    parts: list[Point | None] = [None] * ranks.size
    if point is not None:
        policy = (point.path / POLICY).read_bytes()
        others = [attrs.evolve(point, header=h, tensors=t, others=(), policy=policy) for h, t in point.others]
        parts = [attrs.evolve(point, others=()), *others]
    return ranks.deal(parts)


class ResumePoints:
    """The points of a run.

    Args:
        path: their folder; made when the first is saved.
        keep: how many of the latest are kept.
    """

    def __init__(self, path: Path, keep: int) -> None:
        self.path, self.keep = path, keep

    def save(self, trainer: Trainer, boundary: int) -> None:
        """Have the first rank write a point, whole or not at all, and drop the oldest of those up to it.

        Later ones, which were passed over when the run was resumed, stay until it comes past them.

        Raises:
            GlulamError: if it cannot be written; the points before it are intact.
        """
        header = {
            "settings": trainer.settings.plain(),
            "agent_steps": trainer.agent_steps,
            "boundary": boundary,
            "episodes": trainer.rollout.episodes.count,
            "finished": list(trainer.rollout.episodes.finished),
        }
        if trainer.ranks.size > 1:
            header["ranks"] = trainer.ranks.size
        parts = trainer.ranks.collect((header, {name: tensor.detach().cpu() for name, tensor in _tensors(trainer)}))
        with trainer.ranks.together():
            if trainer.ranks.is_first:
                self._write(trainer, parts)

    def _write(self, trainer: Trainer, parts: list[tuple[dict[str, Any], dict[str, Tensor]]]) -> None:
        name = f"{trainer.agent_steps:012d}"
        part = self.path / f".{name}.part"
        try:
            for left in self.path.glob(".*.part"):  # by a process that was killed
                shutil.rmtree(left, ignore_errors=True)
            part.mkdir(parents=True)
            glulam.save(trainer.policy, part / POLICY)
            for rank, (header, tensors) in enumerate(parts):
                glulam.write_tensors(part / _trainer_file(rank), header, tensors)
            _sync(part)
            shutil.rmtree(self.path / name, ignore_errors=True)
            part.rename(self.path / name)
            _sync(self.path)
        except (OSError, GlulamError) as error:
            shutil.rmtree(part, ignore_errors=True)  # half of it only takes room
            why = error.__cause__ if isinstance(error, GlulamError) else error
            msg = f"cannot write {self.path / name}: {why.strerror if isinstance(why, OSError) else error}; the points "
            msg += f"before it are intact: once that is mended go on with glulam train --resume {self.path.parent}"
            raise GlulamError(msg) from error
        for old in [point for point in self._named() if point.name <= name][: -self.keep]:
            shutil.rmtree(old, ignore_errors=True)

    def newest(self) -> tuple[Point | None, list[str]]:
        """Return the newest point whose files are whole, if there is any, and why newer ones are not.

        Nothing is removed: what cannot be read now may be readable later, or elsewhere.
        """
        problems: list[str] = []
        for folder in reversed(self._named()):
            try:
                header, tensors = glulam.read_tensors(folder / TRAINER)
                glulam.read_tensors(folder / POLICY)
                others = tuple(
                    glulam.read_tensors(folder / _trainer_file(rank)) for rank in range(1, header.get("ranks", 1))
                )
            except GlulamError as error:
                problems.append(str(error))
            else:
                return Point(folder, header["agent_steps"], header["boundary"], header, tensors, others), problems
        return None, problems

    def clear(self) -> None:
        """Remove all points.

        Raises:
            OSError: if that is not possible.
        """
        for point in (*self._named(), *self.path.glob(".*.part")):
            shutil.rmtree(point)
        if self.path.is_dir() and not any(self.path.iterdir()):
            self.path.rmdir()

    def _named(self) -> list[Path]:
        return sorted(path for path in self.path.glob("*") if path.name.isdigit()) if self.path.is_dir() else []


def _trainer_file(rank: int) -> str:
    return f"trainer.rank{rank}.safetensors" if rank else TRAINER


def _processes(count: int) -> str:
    return "one process" if count == 1 else f"{count} ranks"


def _command(ranks: int) -> str:
    return "it without torchrun" if ranks == 1 else f"{ranks} with torchrun's --nnodes and --nproc-per-node"


def _differ(name: str, ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    return name not in FREE and ours.get(name) != theirs[name]


def _tensors(trainer: Trainer) -> Iterator[tuple[str, Tensor]]:
    yield "rng/torch", torch.get_rng_state()
    yield "rng/shuffles", trainer.shuffles.get_state()
    if trainer.policy.device.type == "cuda":
        yield "rng/cuda", torch.cuda.get_rng_state(trainer.policy.device)
    for name, tensor in trainer.optimizer.state_dict().items():
        yield f"adam/{name}", tensor
    for name, tensor in _buffer(trainer):
        yield f"buffer/{name}", tensor
    for name, term in trainer.terms.items():
        for key, tensor in term.state_dict().items() if hasattr(term, "state_dict") else ():
            yield f"losses/{name}/{key}", tensor
    if trainer.reward_scale is not None:
        for key, tensor in trainer.reward_scale.state_dict().items():
            yield f"reward_scale/{key}", tensor


def _buffer(trainer: Trainer) -> Iterator[tuple[str, Tensor]]:
    for key, tensor in (trainer.buffer.steps | trainer.buffer.starts).items():
        yield key if isinstance(key, str) else "/".join(key), tensor


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _sync(folder: Path) -> None:
    """Have the names in a folder on the disk, as far as the system does that for folders."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
