"""What `glulam eval` says of a checkpoint: over several seeds, with all that another needs to look at it again."""

from __future__ import annotations

import platform
import re
from importlib import metadata
from typing import TYPE_CHECKING, Any

import torch

import glulam
from glulam.checkpoint import read_checkpoint
from glulam_train.evaluation import half_width, play_episodes
from glulam_train.sweep.statistics import pooled_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import Tensor

    from glulam_train.evaluation import Played

__all__ = ["evaluate_checkpoint", "summary"]

SUMMARY = ("episodes", "return_mean", "return_ci95", "length_mean")


def evaluate_checkpoint(  # noqa: PLR0913 - each an independent, named choice
    checkpoint: Path,
    env: str,
    episodes: int,
    seeds: Sequence[int],
    *,
    greedy: bool = False,
    watch: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Play the same number of episodes with each seed, and return the whole report, plain JSON.

    `return_mean` and its two intervals are over all episodes, the agents of one world being resampled together:
    `return_ci95` is half the width of the normal one, `return_interval95` holds both ends by bootstrap. None is there
    of a single world's episode.

    Args:
        checkpoint: the policy.
        env: the environment.
        episodes: agent-episodes with each seed.
        seeds: of episodes and actions, each once.
        greedy: take the likeliest action instead of drawing one.
        watch: called with how many more episodes have ended.

    Raises:
        GlulamError: if the checkpoint cannot be loaded or does not fit the environment, or a number is out of range.
    """
    policy = glulam.load(checkpoint, env)
    played = [play_episodes(policy, env, episodes, seed, greedy=greedy, watch=watch) for seed in seeds]
    header = read_checkpoint(checkpoint).header
    returns, lengths, groups = (torch.cat(parts) for parts in zip(*map(_numbers, _apart(played)), strict=True))
    return {
        "environment": env,
        "checkpoint": str(checkpoint),
        "policy": {"name": policy.resolved.name, "sha256": header["sha256"], "lock": header["lock"]},
        "versions": _versions(env, header["lock"]["distributions"]),
        "actions": "greedy" if greedy else "sampled",
        "episodes": len(returns),
        "return_mean": float(returns.mean()),
        "return_ci95": half_width(returns, groups),
        "return_interval95": _interval(returns, groups),
        "length_mean": float(lengths.mean()),
        "seeds": [
            {
                **one.summary,
                "returns": one.returns.tolist(),
                "lengths": one.lengths.int().tolist(),
                "worlds": torch.unique(one.groups, return_inverse=True)[1].tolist(),
            }
            for one in played
        ],
    }


def summary(report: dict[str, Any]) -> dict[str, Any]:
    """Return what `glulam eval --format json` prints of a report: `seed`, or `seeds` where there were several."""
    seeds = [one["seed"] for one in report["seeds"]]
    told = {"seed": seeds[0]} if len(seeds) == 1 else {"seeds": seeds, "return_interval95": report["return_interval95"]}
    return {key: report[key] for key in SUMMARY} | told | {key: report[key] for key in ("environment", "checkpoint")}


def _numbers(played: Played) -> tuple[Tensor, Tensor, Tensor]:
    return played.returns, played.lengths, played.groups


def _apart(played: Sequence[Played]) -> list[Played]:
    """Number the groups of each seed on from those of the one before: worlds of two seeds have nothing in common."""
    import attrs

    parts, first = [], 0
    for one in played:
        parts.append(attrs.evolve(one, groups=one.groups + first))
        first += int(one.groups.max()) + 1
    return parts


def _interval(returns: Tensor, groups: Tensor) -> list[float] | None:
    """Return both ends of the 95 % bootstrap interval of the mean, whole groups being resampled."""
    index = torch.unique(groups, return_inverse=True)[1]
    sums = torch.zeros(int(index.max()) + 1, dtype=returns.dtype).index_add_(0, index, returns)
    found = pooled_mean(sums.tolist(), torch.bincount(index).tolist())
    return None if found is None or found["low"] is None or found["high"] is None else [found["low"], found["high"]]


def _versions(env: str, lock: dict[str, str | None]) -> dict[str, str]:
    """Return the versions of Python, of what computes, of the policy's distributions and of the environment's."""
    claims = glulam.registry().environments.claims(env.partition(":")[0])
    owners = {entry.distribution for entry in claims}
    needs = {re.split(r"[^\w.-]", need)[0] for owner in owners for need in metadata.requires(owner) or ()}
    names = sorted({"glulam", "glulam-train", "torch", "numpy", *lock, *owners, *needs})
    found: dict[str, str] = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # one for other machines
            continue
    return found
