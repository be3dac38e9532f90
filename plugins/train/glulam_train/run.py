"""A training run: settings, policy, environment and trainer, and the loop that fills the run's folder."""

from __future__ import annotations

import gc
import math
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Self

import torch
from rich.console import Console

from glulam import GlulamError
from glulam_train.devices import usable_device
from glulam_train.equality import check_equal
from glulam_train.first_policy import first_policy
from glulam_train.folder import RunFolder
from glulam_train.plot import draw_curve
from glulam_train.progress import TrainingProgress
from glulam_train.ranks import Ranks
from glulam_train.resume import deal
from glulam_train.returning import check_same, found_in
from glulam_train.scalars import Scalars
from glulam_train.signals import interruptible
from glulam_train.trainer import Trainer
from glulam_train.workers.environments import Environments

if TYPE_CHECKING:
    from pathlib import Path

    from glulam import Environment
    from glulam_train.resume import Point
    from glulam_train.settings import TrainSettings
    from glulam_train.workers.groups import Groups

__all__ = ["Run"]


class Run:
    """One training from settings to a trained policy.

    Args:
        settings: what and how.
        out: the folder; nothing is written before `train`.
        overwrite: replace the files of an earlier run in that folder.
        point: where an earlier run of these settings in that folder stood, to go on from; see `resume`.
        allow_version_drift: accept checkpoints of other versions of plug-ins.
        folder: that folder, where this process holds it already.
        ranks: who trains together, all with the same settings; this process alone when None.

    Raises:
        GlulamError: if policy, environment, losses, settings or folder do not do.
    """

    def __init__(  # noqa: PLR0913 - each is an independent, named choice
        self,
        settings: TrainSettings,
        out: Path,
        *,
        overwrite: bool = False,
        point: Point | None = None,
        allow_version_drift: bool = False,
        folder: RunFolder | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        self.settings, self.point, self.drift = settings, point, allow_version_drift
        self.ranks = ranks or Ranks.alone()
        self.folder = folder or RunFolder(out)
        with self.ranks.together():
            if self.ranks.is_first:
                self.folder.check_free(overwrite=overwrite or point is not None)
                if point is None:
                    self.folder.check_kept(settings)
        self.last: dict[str, Any] | None = None
        self.notes: list[str] = []
        self.stopped: str | None = None
        self.boundary = point.boundary if point else 0
        if settings.threads is not None:
            torch.set_num_threads(settings.threads)
        with self.ranks.together():
            device = usable_device(self.ranks.device(settings.device))
            if self.ranks.size > 1 and device.type == "cuda":
                torch.cuda.set_device(device)  # NCCL takes the present one
            torch.manual_seed(settings.seed)
            self.environments = Environments(settings)
        try:
            with self.ranks.together():
                self.environment = self._make_environment()
                self._make_trainer(device)
            self.ranks.broadcast(self.trainer.shared().values())
        except BaseException:
            self.environments.close()
            raise

    @classmethod
    def begin(
        cls,
        settings: TrainSettings,
        out: Path,
        *,
        overwrite: bool = False,
        allow_version_drift: bool = False,
        ranks: Ranks | None = None,
    ) -> Self:
        """Return a new run, or the one that the same torchrun has begun in the folder before it restarted its workers.

        Raises:
            GlulamError: as `Run` and `resume` do; or if ranks were given different settings.
        """
        ranks = ranks or Ranks.alone()
        ranks.use_timeout(settings.rank_timeout)
        check_same(settings, ranks)
        folder = RunFolder(out)
        again, begun = ranks.tell((folder.is_of_this_launch(), folder.settings.is_file()))
        if again and begun:
            return cls.resume(out, settings=settings, allow_version_drift=allow_version_drift, ranks=ranks)
        return cls(settings, out, overwrite=overwrite or again, allow_version_drift=allow_version_drift, ranks=ranks)

    @classmethod
    def resume(
        cls,
        out: Path,
        *,
        steps: int | None = None,
        allow_version_drift: bool = False,
        settings: TrainSettings | None = None,
        ranks: Ranks | None = None,
    ) -> Self:
        """Return the run of a folder as it was at its newest point; one killed before it had any starts anew.

        Args:
            out: the folder of an earlier run, however it ended.
            steps: agent-steps of the whole training, to train for longer than the settings say.
            allow_version_drift: go on with other versions of plug-ins; the numbers may not be the same then.
            settings: those of the run, known already; read from the folder when None.
            ranks: who trains together, as many as before; the first alone reads the folder.

        Raises:
            GlulamError: if the folder holds no run, another process trains in it, its settings were changed, no point
                can be read, or its policy or environment cannot be made again. Nothing is removed.
        """
        ranks, folder = ranks or Ranks.alone(), RunFolder(out)
        found: Any = None
        try:
            with ranks.together():
                if ranks.is_first:
                    found = found_in(folder, settings, steps, ranks)
            point = deal(found[0] if found else None, ranks)
            chosen, problems = ranks.tell(found and found[1:])
            ranks.use_timeout(chosen.rank_timeout)
            run = cls(
                chosen,
                out,
                overwrite=True,
                point=point,
                allow_version_drift=allow_version_drift,
                folder=folder,
                ranks=ranks,
            )
        except BaseException:
            folder.release()
            raise
        run.notes += [f"skipped: {problem}" for problem in problems]
        if point is None:
            run.notes.append("there is no point to resume from yet: this run starts anew")
        return run

    def _make_environment(self) -> Environment | Groups:
        return self.environments.make(self.settings.environment_seed(self.boundary, self.ranks.rank))

    def _make_trainer(self, device: torch.device) -> None:
        self.policy = first_policy(self.settings, self.environment.spec, device, self.point, drift=self.drift)
        self.trainer = Trainer(self.policy, self.environment, self.settings, self.ranks, allow_version_drift=self.drift)
        if not self.ranks.is_first:
            torch.manual_seed(self.settings.action_seed(self.ranks.rank))
        if self.point is not None:
            self.point.restore(self.trainer)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The metrics of all updates, read from their file: a run keeps the last alone, however long it is."""
        return self.folder.read_metrics()

    def describe(self) -> str:
        """Return the sizes of policy and buffer, as printed at the start."""
        weights = sum(weight.numel() for weight in self.policy.parameters())
        buffer = self.trainer.buffer
        steps = buffer.rows * buffer.horizon
        sizes = (
            f"{self.policy.resolved.name} in {self.settings.env}: {weights:,} parameters, {buffer.rows} agents, "
            f"experience buffer {buffer.segments} segments x {buffer.segment} steps, "
            f"{buffer.bytes / 2**20:.1f} MiB ({buffer.bytes / steps:,.0f} bytes a step)"
        )
        lines = [sizes, *self.notes]
        lines[1:1] = self.environments.describe()
        if self.ranks.size > 1:
            lines.insert(1, f"so on each of {self.ranks.size} ranks")
        if self.point is not None:
            lines.append(f"resumed at {self.point.agent_steps:,} agent-steps")
        return "\n".join(lines)

    def train(self, *, seconds: float | None = None, console: Console | None = None) -> None:
        """Train for as many steps as the settings say; Ctrl-C and SIGTERM end it after the update under way.

        Args:
            seconds: stop after this time, if that comes first.
            console: where progress is shown; standard error when None.

        Raises:
            GlulamError: if the folder cannot be written, before anything is trained; or if training diverges.
        """
        shown = console if self.ranks.is_first else Console(quiet=True)
        try:
            self._start()
            with self.folder.ending(noted=self.ranks.is_first) as end:
                end["notes"] = self.notes
                self._train(math.inf if seconds is None else seconds, TrainingProgress(self.settings.steps, shown))
                if self.stopped:
                    end.update(end="stopped", why=self.stopped)
        finally:
            self.folder.release()

    def _train(self, limit: float, progress: TrainingProgress) -> None:
        before = self.last["seconds"] if self.last else 0.0
        start = time.perf_counter() - before
        with self.ranks.together():
            scalars = self._scalars()
        with scalars as written, progress, interruptible() as asked:
            saved_at = self.trainer.agent_steps
            while self.trainer.agent_steps < self.settings.steps and self.stopped is None:
                row = self._update(start)
                with self.ranks.together():
                    if written is not None:
                        written.write(row)
                progress.show(row)
                stopped = asked() or ("time limit" if row["seconds"] - before >= limit else None)
                self.stopped = next((why for why in self.ranks.gather(stopped) if why), None)
                if row["agent_steps"] - saved_at >= self.settings.checkpoint_interval:
                    saved_at = row["agent_steps"]
                    self._save()
            if self.trainer.agent_steps != saved_at:
                self._save()  # while Ctrl-C still waits
        with self.ranks.together():
            if self.ranks.is_first:
                self._draw()

    def _scalars(self) -> Scalars | nullcontext[None]:
        if not self.ranks.is_first:
            return nullcontext()
        return Scalars(self.folder, self.trainer.agent_steps, tensorboard=self.settings.tensorboard)

    def _draw(self) -> None:
        title = f"{self.policy.resolved.name} in {self.settings.env}, seed {self.settings.seed}"
        try:
            draw_curve(self.rows, self.folder.curve, title)
        except OSError as error:
            msg = f"trained and saved, but {self.folder.curve} cannot be written: {error.strerror}"
            raise GlulamError(msg) from error

    def _start(self) -> None:
        """Have a folder to write to; whatever prevents saving shows now, not in an hour."""
        with self.ranks.together():
            if self.ranks.is_first and self.point is None:
                self.folder.start(self.settings)
            elif self.ranks.is_first and self.point is not None:
                self.folder.write_settings(self.settings)
                self.last = next(reversed(self.folder.cut_metrics(self.point.agent_steps)), None)
        if self.point is None:
            self.folder.resume_points(self.settings).save(self.trainer, self.boundary)
        self._save_policy()

    def _save(self) -> None:
        """Enter fresh environments and save all that decides what follows.

        Every run does that, resumed or not: simulators cannot be saved, so that only thus both see the same.
        """
        with self.ranks.together():
            self.trainer.check_weights()
        check_equal(self.trainer.shared(), self.ranks)
        self._save_policy()  # what was trained is safe, whatever becomes of the next environments
        self.boundary += 1
        with self.ranks.together():
            self.environment = self._make_environment()
            self.trainer.enter(self.environment)
        # Registries, hooks and safetensors leave cycles at each point; a hundred points' worth would pile up else.
        gc.collect()
        self.folder.resume_points(self.settings).save(self.trainer, self.boundary)

    def _save_policy(self) -> None:
        with self.ranks.together():
            if self.ranks.is_first:
                self.folder.save_policy(self.policy)

    def _update(self, start: float) -> dict[str, Any]:
        before = self.last["seconds"] if self.last else 0.0
        metrics = self.trainer.update()
        seconds = time.perf_counter() - start
        speed = self.trainer.steps_per_update / max(seconds - before, 1e-9)
        head = {"agent_steps": self.trainer.agent_steps, "seconds": seconds, "steps_per_second": speed}
        row = head | {"episodes": sum(self.ranks.gather(self.trainer.rollout.episodes.count))} | metrics
        row = {name: value if value is None or math.isfinite(value) else None for name, value in row.items()}
        self.last = row
        return row

    def close(self) -> None:
        """Free the environments and the folder."""
        self.environments.close()
        self.folder.release()
