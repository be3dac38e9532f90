"""Evaluation: returns over a fixed number of whole episodes, on seeds that training never uses.

Legend: `B` rows of the environment, one agent each.
"""

from __future__ import annotations

import math
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import attrs
import torch

import glulam
from glulam import GlulamError
from glulam_train.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tensordict import TensorDict
    from torch import Tensor

    from glulam import ActionSpec, Environment, Policy

__all__ = ["Played", "evaluate_policy", "half_width", "play_episodes", "random_return", "set_aside", "world_seed"]

MAX_ENVS = 32
NORMAL_95 = 1.96


@attrs.frozen(eq=False)
class Played:
    """Episodes that were played with one seed; a number an episode in each tensor.

    Attributes:
        seed: of episodes and actions.
        returns: one agent's over one episode, float64.
        lengths: in steps, float64.
        groups: agents of one world share its luck, so that their k-th episodes have the same number here.
    """

    seed: int
    returns: Tensor
    lengths: Tensor
    groups: Tensor

    @property
    def summary(self) -> dict[str, Any]:
        """What a report says of them, the interval being that of groups."""
        return {
            "episodes": len(self.returns),
            "return_mean": float(self.returns.mean()),
            "return_ci95": half_width(self.returns, self.groups),
            "length_mean": float(self.lengths.mean()),
            "seed": self.seed,
        }


def evaluate_policy(  # noqa: PLR0913 - what the report names
    policy: Policy,
    env_uri: str,
    episodes: int,
    seed: int,
    *,
    greedy: bool = False,
    checkpoint: str | Path | None = None,
) -> dict[str, Any]:
    """Play episodes with a policy and return what `glulam eval` reports.

    Args:
        policy: initialised to the environment; its memory is cleared before and after.
        env_uri: the environment.
        episodes: agent-episodes, exactly as many.
        seed: of episodes and actions; whatever it is, no episode is one of a training's.
        greedy: take the likeliest action instead of drawing one.
        checkpoint: where the policy came from, for the report.

    Raises:
        GlulamError: if `episodes` or `seed` is out of range, or the environment cannot be made.
    """
    played = play_episodes(policy, env_uri, episodes, seed, greedy=greedy)
    return _report(played, env_uri) | {"checkpoint": None if checkpoint is None else str(checkpoint)}


def play_episodes(  # noqa: PLR0913 - each an independent, named choice
    policy: Policy,
    env_uri: str,
    episodes: int,
    seed: int,
    *,
    greedy: bool = False,
    watch: Callable[[int], None] | None = None,
) -> Played:
    """Do what `evaluate_policy` does, and return every episode.

    Args:
        policy: as there, like what follows.
        env_uri: the environment.
        episodes: agent-episodes.
        seed: of episodes and actions.
        greedy: take the likeliest action instead of drawing one.
        watch: called with how many more episodes have ended, to show how far it is.

    Raises:
        GlulamError: as there.
    """

    def act(td: TensorDict) -> Tensor:
        actions: Tensor = policy(td.to(policy.device)).get("actions")
        return actions

    with set_aside(policy, greedy=greedy), torch.no_grad():
        return _play(env_uri, act, episodes, seed, watch)


def random_return(env_uri: str, episodes: int, seed: int) -> dict[str, Any]:
    """Play episodes with actions drawn uniformly and return the same report, `checkpoint` being None.

    Raises:
        GlulamError: if `episodes` is less than 1 or `seed` negative, or there is no such environment.
    """
    actions = glulam.environment_spec(env_uri).actions
    played = _play(env_uri, lambda td: _random_actions(actions, td.batch_size[0]), episodes, seed)
    return _report(played, env_uri) | {"checkpoint": None}


def _report(played: Played, env_uri: str) -> dict[str, Any]:
    return played.summary | {"environment": env_uri}


def world_seed(seed: int) -> int:
    """Return the seed of the worlds that are played in: odd, where those of training are even."""
    return 2 * seed + 1


def _random_actions(actions: ActionSpec, rows: int) -> Tensor:
    """Return uniform actions, `[B, ...]`; normal ones where there is no bound."""
    if actions.kind == "discrete":
        return torch.randint(len(actions.names), (rows,))
    if actions.kind == "multi-discrete":
        return torch.stack([torch.randint(count, (rows,)) for count in actions.choices], dim=-1)
    columns = [
        torch.randn(rows) if low is None or high is None else low + (high - low) * torch.rand(rows)
        for low, high in zip(actions.low, actions.high, strict=True)
    ]
    return torch.stack(columns, dim=-1)


def _play(
    env_uri: str,
    act: Callable[[TensorDict], Tensor],
    episodes: int,
    seed: int,
    watch: Callable[[int], None] | None = None,
) -> Played:
    if episodes < 1 or seed < 0:
        msg = f"episodes is {episodes} and seed {seed}: write at least 1 episode and a seed of at least 0"
        raise GlulamError(msg)
    agents = glulam.environment_spec(env_uri).num_agents
    num_envs = min(MAX_ENVS, math.ceil(episodes / agents))
    with (
        closing(glulam.make_environment(env_uri, num_envs=num_envs, seed=world_seed(seed))) as environment,
        drawing_as_of(seed),
    ):
        return Played(seed, *_collect(environment, act, episodes, watch))


def _collect(
    environment: Environment,
    act: Callable[[TensorDict], Tensor],
    episodes: int,
    watch: Callable[[int], None] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return returns, lengths and groups of exactly `episodes` episodes.

    Each row plays a number of episodes that is fixed beforehand: counting whichever end first would favour
    short ones. Agents that share a world share its luck: their k-th episodes form one group.
    """
    world = World(environment)
    td = world.reset()
    rows, agents = td.batch_size[0], world.spec.num_agents
    row = torch.arange(rows)
    quota = episodes // rows + (row < episodes % rows)  # (B,)
    played, length = torch.zeros(2, rows, dtype=torch.int64).unbind()
    earned = torch.zeros(rows, dtype=torch.float64)
    found: list[Tensor] = []
    counts = world.valid.cpu()
    while bool((played < quota).any()):
        step = world.step(act(td))
        td = step.td
        earned += step.reward.cpu()
        length += counts
        counts = step.valid.cpu()
        ended = (step.done | step.truncated).cpu()
        if bool(ended.any()):
            counted = ended & (played < quota)
            group = played * rows + row // agents
            found.append(torch.stack([earned, length.double(), group.double()])[:, counted])
            if watch is not None:
                watch(int(counted.sum()))
            played += ended
            earned[ended], length[ended] = 0, 0
    returns, lengths, groups = torch.cat(found, dim=1).unbind()
    return returns, lengths, groups.long()


def half_width(returns: Tensor, groups: Tensor) -> float | None:
    """Return half the width of the 95 % confidence interval of the mean of `[n]` returns, from sums over groups, `[n]`.

    Agents of one world are not independent, so the group is the unit; None if there is but one.
    """
    index = torch.unique(groups, return_inverse=True)[1]
    count = int(index.max()) + 1
    if count == 1:
        return None
    sums = torch.zeros(count, dtype=returns.dtype).index_add_(0, index, returns - returns.mean())
    variance = sums.square().sum() * count / (count - 1) / len(returns) ** 2
    return NORMAL_95 * math.sqrt(float(variance))


@contextmanager
def drawing_as_of(seed: int) -> Iterator[None]:
    """Draw as of a seed, and go on as before afterwards; a GPU that nobody has used yet is not woken for it."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()  # type: ignore[no-untyped-call]
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


@contextmanager
def set_aside(policy: Policy, *, greedy: bool) -> Iterator[None]:
    """Let a policy play from empty memory in evaluation mode; leave it as it was, its memory empty.

    Raises:
        GlulamError: if `greedy` is asked for, and the action head knows no such thing.
    """
    training = policy.training
    policy.eval()
    policy.reset_memory()
    try:
        if greedy and not policy.each("set_greedy", True):  # noqa: FBT003 - a positional argument of `each`
            msg = f"the action head of {policy.resolved.name!r} has no set_greedy(); leave greedy out"
            raise GlulamError(msg)
        yield
    finally:
        if greedy:
            policy.each("set_greedy", False)  # noqa: FBT003 - as above
        policy.train(training)
        policy.reset_memory()
