"""Rollout: a policy plays in an environment and fills the experience buffer.

Legend: `B` rows of the environment; `H` steps. Names that end in `_tp1` hold at column t what action t led to
(see `advantages`).
"""

from __future__ import annotations

import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
import torch
from tensordict import TensorDict
from torch import Tensor

from glulam import GlulamError
from glulam_train.episodes import Episodes
from glulam_train.world import check_ids

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from glulam import Policy
    from glulam_train.buffer import ExperienceBuffer
    from glulam_train.world import Step, World

__all__ = ["Outcome", "Rollout"]


@attrs.frozen
class Outcome:
    """What each action of a rollout led to, each `[B, H]`, and which actions count at all (`valid_t`).

    Attributes:
        reward_tp1: what action t earned.
        value_tp1: the value of what it led to: of the final observation where an episode was cut off.
        done_tp1: whether it ended the episode.
        truncated_tp1: whether the episode was cut off after it.
        valid_t: whether action t counts.
    """

    reward_tp1: Tensor
    value_tp1: Tensor
    done_tp1: Tensor
    truncated_tp1: Tensor
    valid_t: Tensor

    @classmethod
    def empty(cls, rows: int, horizon: int, *, dtype: torch.dtype, device: torch.device) -> Outcome:
        """Return an outcome to be filled in."""
        numbers = [torch.zeros(rows, horizon, dtype=dtype, device=device) for _ in range(2)]
        flags = [torch.zeros(rows, horizon, dtype=torch.bool, device=device) for _ in range(3)]
        return cls(*numbers, *flags)


@attrs.define(eq=False)
class Lane:
    """Rows of the environment that are played together, and how far they are.

    Attributes:
        world: plays them.
        rows: which rows of the whole they are.
        shown: what the world showed last, `[B of these rows]`.
        td: the same as the policy reads it, on its device.
        valid: rows whose next action counts.
        env_id: the ids of its rows, always the same tensor on the policy's device, which so looks at it but once.
    """

    world: World
    rows: slice
    shown: TensorDict
    td: TensorDict
    valid: Tensor
    env_id: Tensor

    @property
    def first(self) -> int:
        """The number of the first row; ids count from there."""
        return int(self.rows.start)


class Rollout:
    """Plays on from where it stopped, H steps at a time.

    With several worlds the policy acts in one after another, and a world that can step by itself does so meanwhile.
    Whether it can makes no difference to what is played.

    Args:
        policy: acts; its rollout memory is cleared here, once.
        worlds: of one kind, their rows one after another being the B; their tensors may be reused from step to step:
            what is kept is copied.
        horizon: H.
        observers: losses that have `observe(td)`, called in each step of each world once the policy has acted.
    """

    def __init__(self, policy: Policy, worlds: Sequence[World], horizon: int, observers: Iterable[Any] = ()) -> None:
        self.policy, self.horizon, self.observers = policy, horizon, list(observers)
        self.lanes: list[Lane] = []
        self.enter(worlds)
        self.episodes = Episodes(self.rows, self.world.spec.num_agents)
        self.outcome = Outcome.empty(self.rows, horizon, dtype=policy.dtype, device=policy.device)

    def enter(self, worlds: Sequence[World]) -> None:
        """Go on in other worlds of the same kind, from empty memory; unfinished episodes do not count.

        Raises:
            GlulamError: if a world cannot be entered, with what it raised.
        """
        self.policy.reset_memory()
        self.lanes = []
        for world in worlds:
            with _explained(world, "its start"):
                td = world.reset()
            if len(worlds) > 1:
                check_ids(td.get("env_id"), world.spec)
            first, count = self.rows if self.lanes else 0, td.batch_size[0]
            env_id = (td.get("env_id") + first).to(self.policy.device)
            lane = Lane(world, slice(first, first + count), td, td, world.valid.cpu(), env_id)
            self._show(lane, td)
            self.lanes.append(lane)
        if hasattr(self, "episodes"):
            self.episodes.forget_unfinished()

    @property
    def world(self) -> World:
        """The first of the worlds."""
        return self.lanes[0].world

    @property
    def rows(self) -> int:
        """B."""
        return int(self.lanes[-1].rows.stop)

    @torch.no_grad()  # not inference_mode: the policy's memory is written here and cleared elsewhere
    def collect(self, buffer: ExperienceBuffer) -> Outcome:
        """Fill the buffer with H steps; what it returns is valid until the next call.

        Raises:
            GlulamError: if the world fails, with what it raised.
        """
        for t in range(self.horizon):
            for lane in self.lanes:
                if t:
                    self._receive(lane, t - 1)
                self._act(lane, t, buffer)
        for lane in self.lanes:
            self._receive(lane, self.horizon - 1)
            after = self._scored(lane.td, lane.td.get("env_id"))
            self._follow(lane, self.horizon - 1, after.get("values", None))
            buffer.finish(_known(after, lane, buffer), lane.rows)
        return self.outcome

    def _act(self, lane: Lane, t: int, buffer: ExperienceBuffer) -> None:
        """Have the policy act at step t, keep what is to be kept, and send the actions off."""
        state = self.policy.memory_state(lane.td.get("env_id")) if buffer.begins_at(t) else None
        td = self.policy(lane.td)
        for observer in self.observers:
            observer.observe(td)
        known = _known(td, lane, buffer)
        if state is not None:
            buffer.start(t, known, state, lane.rows)
        buffer.store(t, known, lane.rows)
        if t:
            self._follow(lane, t - 1, td.get("values", None))
        self.outcome.valid_t[lane.rows, t] = lane.valid.to(self.policy.device)
        with _explained(lane.world, f"step {t} of a rollout"):
            lane.world.send(td.get("actions"))

    def _receive(self, lane: Lane, t: int) -> None:
        """Keep what the actions of step t led to."""
        with _explained(lane.world, f"step {t} of a rollout"):
            step = lane.world.receive()
        ended = (step.done | step.truncated).cpu()
        self.episodes.add(step.reward.cpu(), ended, lane.valid, lane.rows)
        outcome, rows, device = self.outcome, lane.rows, self.policy.device
        lane.valid = step.valid.cpu()
        outcome.reward_tp1[rows, t] = step.reward.to(device)
        outcome.done_tp1[rows, t] = step.done.to(device)
        outcome.truncated_tp1[rows, t] = step.truncated.to(device)
        self._show(lane, step.td)
        if bool(step.truncated.any()):
            cut = step.truncated.nonzero().squeeze(1)
            values = self._final_values(lane, cut, step)
            if values is not None:
                outcome.value_tp1[rows, t][cut.to(device)] = values

    def _follow(self, lane: Lane, t: int, value_tp1: Tensor | None) -> None:
        """Note the values of observations t+1, except where the final observation's value stands already."""
        if value_tp1 is not None:
            column = self.outcome.value_tp1[lane.rows, t]
            column.copy_(torch.where(self.outcome.truncated_tp1[lane.rows, t], column, value_tp1))

    def _show(self, lane: Lane, td: TensorDict) -> None:
        """Have the policy see what a world shows: on its device, with ids of their own in each world."""
        if lane.first:
            td = td.copy().set("env_id", td.get("env_id") + lane.first)  # a world may show one TensorDict for ever
        lane.shown = td
        on_cpu = self.policy.device.type == td.get("env_obs").device.type == "cpu"
        lane.td = td if on_cpu else td.exclude("final_obs").to(self.policy.device).set("env_id", lane.env_id)

    def _final_values(self, lane: Lane, rows: Tensor, step: Step) -> Tensor | None:
        """Return the values of the final observations of some rows, as if their episodes had gone on.

        The memory is the one before the next step, its reset not applied: so the flags are cleared.
        """
        inputs = {key: lane.shown.get(key)[rows] for key in {*self.policy.in_keys, "env_id"}}
        # What the world says of the step before is about the next episode there, or (its mask) not known at all.
        before = {
            "last_actions": step.action,
            "last_rewards": step.reward,
            "active": torch.ones_like(step.done),
        }
        inputs |= {key: value[rows] for key, value in before.items() if key in inputs}
        inputs["env_obs"] = step.final_obs[rows]
        inputs["dones"] = inputs["truncateds"] = torch.zeros(len(rows), dtype=torch.bool)
        td = TensorDict(inputs, batch_size=[len(rows)]).to(self.policy.device)
        values: Tensor | None = self._scored(td, td.get("env_id")).get("values", None)
        return values

    def _scored(self, td: TensorDict, env_id: Tensor) -> TensorDict:
        """Return a step `[B]` with what the policy makes of it, without acting."""
        inputs = td.exclude("actions")  # without actions nothing is scored
        return inputs.update(self.policy.evaluate(inputs, self.policy.memory_state(env_id)))


def _known(td: TensorDict, lane: Lane, buffer: ExperienceBuffer) -> TensorDict:
    """Return what is known of a step; what the world showed comes from where that is, if the buffer is there too."""
    if lane.shown is lane.td or buffer.device != lane.shown.get("env_obs").device:
        return td
    return TensorDict(dict(td.items()) | dict(lane.shown.items()), batch_size=td.batch_size)


@contextmanager
def _explained(world: World, when: str) -> Iterator[None]:
    """Say what went wrong in an environment, and where, as an error that ends a training."""
    try:
        yield
    except GlulamError:
        raise
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        msg = (
            f"environment {world.spec.name!r} failed in {when} with {type(error).__name__}: {error} ({place.filename}, "
            f"line {place.lineno}); the last checkpoint is intact"
        )
        raise GlulamError(msg) from error
