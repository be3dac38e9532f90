"""How fast a policy trains in an environment, and where the time goes.

Times are wall time; on a GPU each part waits for what it has started, so that the next one is not charged with it.
"""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import torch

import glulam
from glulam import GlulamError
from glulam_train.devices import usable_device
from glulam_train.optimizer import policy_parts
from glulam_train.trainer import Trainer
from glulam_train.workers.environments import Environments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from glulam_train.settings import TrainSettings

__all__ = ["PARTS", "Stopwatch", "bench"]

WARM_UP = 1  # updates before those that count: memory is allocated there, and code is loaded
PARTS = {
    "environment": "steps of the environment, or waiting for workers",
    "acting": "the policy in rollout",
    "scoring": "the policy over segments, forward",
    "learning": "gradients, clipping, Adam",
    "rest": "buffer, advantages, losses, statistics",
}
"""What the time of an update is divided among, and what each part is."""


class Stopwatch:
    """Charges time to the innermost part under way.

    Args:
        device: waited for wherever a part begins or ends.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._under_way: list[str] = []
        self._since = 0.0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Charge what happens inside to a part, but for what is charged to parts inside it."""
        self._charge()
        self._under_way.append(name)
        try:
            yield
        finally:
            self._charge()
            self._under_way.pop()

    def watch(self, owner: object, method: str, name: str | Callable[[], str]) -> None:
        """Charge an object's method to a part from now on; a function names the part anew at each call."""
        whole = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the method
            with self.part(name if isinstance(name, str) else name()):
                return whole(*args, **kwargs)

        setattr(owner, method, timed)

    def _charge(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        now = time.perf_counter()
        if self._under_way:
            self.seconds[self._under_way[-1]] += now - self._since
        self._since = now


def bench(settings: TrainSettings, updates: int, trace: Path | None = None) -> dict[str, Any]:
    """Train a policy for a few updates, keep nothing, and return what `glulam bench` reports.

    Args:
        settings: as of a training; their `steps` do not matter.
        updates: how many count, after one that does not.
        trace: a file for torch's profiler to write one more update to, as a trace for chrome://tracing or Perfetto.

    Raises:
        GlulamError: if `updates` is not positive, or policy, environment, settings or file do not do.
    """
    if updates < 1:
        msg = f"updates is {updates}; write 1 or more"
        raise GlulamError(msg)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    device = usable_device(settings.device)
    torch.manual_seed(settings.seed)
    with closing(Environments(settings)) as environments:
        environment = environments.make(settings.environment_seed())
        policy = glulam.build(settings.policy, environment.spec, device=device, losses=settings.losses)
        trainer = Trainer(policy, environment, settings)
        for _ in range(WARM_UP):
            trainer.update()
        if trace is not None:
            _trace(trainer, trace)  # before watches wait for a GPU wherever a part begins
        watch = Stopwatch(policy.device)
        for lane in trainer.rollout.lanes:
            watch.watch(lane.world, "send", "environment")
            watch.watch(lane.world, "receive", "environment")
        working = environments.seconds_in_steps()
        watch.watch(policy, "forward", "acting")
        watch.watch(policy, "unroll", lambda: "scoring" if torch.is_grad_enabled() else "acting")
        watch.watch(trainer.optimizer, "step", "learning")
        collecting = Stopwatch(policy.device)
        collecting.watch(trainer.rollout, "collect", "rollout")
        for _ in range(updates):
            with collecting.part("training"), watch.part("rest"):
                trainer.update()
        worked = [
            (after - before) / updates for before, after in zip(working, environments.seconds_in_steps(), strict=True)
        ]
        steps = updates * trainer.steps_per_update
        rollout, training = (collecting.seconds[name] for name in ("rollout", "training"))
        return {
            "policy": policy.resolved.name,
            "environment": settings.env,
            "device": str(policy.device),
            "threads": torch.get_num_threads(),
            "env_workers": settings.env_workers,
            "env_groups": settings.env_groups,
            "agents": trainer.rollout.rows,
            "updates": updates,
            "agent_steps_per_update": trainer.steps_per_update,
            "steps_per_second": steps / (rollout + training),
            "rollout_steps_per_second": steps / rollout,
            "training_steps_per_second": steps / training,
            "seconds_per_update": {name: watch.seconds[name] / updates for name in PARTS},
            "seconds_in_workers": worked,
            "parameters": sum(weight.numel() for weight in policy.parameters()),
            "buffer_bytes": trainer.buffer.bytes,
            "gradient_norms": gradient_norms(policy_parts(policy)),
        }


def gradient_norms(parts: Mapping[str, torch.nn.Module]) -> dict[str, float]:
    """Return the norm of the gradient that each part's weights hold, of those that hold any."""
    found = {}
    for name, part in parts.items():
        gradients = [weight.grad.norm() for weight in part.parameters() if weight.grad is not None]
        if gradients:
            found[name] = float(torch.stack(gradients).norm())
    return found


def _trace(trainer: Trainer, path: Path) -> None:
    """Write one update to a file, whole or not at all."""
    from torch.profiler import ProfilerActivity, profile

    activities = [ProfilerActivity.CPU]
    if trainer.policy.device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    try:
        with glulam.replacing(path) as part:
            part.touch()  # before anything is traced
            with profile(activities=activities, acc_events=True) as profiler:  # there is one cycle only
                trainer.update()
            profiler.export_chrome_trace(str(part))
    except OSError as error:
        msg = f"cannot write the trace {path}: {error.strerror}; name another file with --profile"
        raise GlulamError(msg) from error
