"""Returns and lengths of the episodes that a training plays. Legend: `B` rows of the environment."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import torch

from glulam_train.evaluation import half_width
from glulam_train.ranks import Ranks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

__all__ = ["Episodes"]

ALL = slice(None)
RECENT = 100  # episodes, at least, in the running mean of returns


class Episodes:
    """Returns and lengths of the episodes of each row.

    `finished` holds recent ones as `(return, length, group)`: agents that share a world share its luck, so that their
    k-th episodes form one group.

    Args:
        rows: B.
        agents: rows that share a world.
    """

    def __init__(self, rows: int, agents: int = 1) -> None:
        self.count = 0
        self.finished: deque[tuple[float, int, int]] = deque(maxlen=max(RECENT, rows))
        self._returns = torch.zeros(rows, dtype=torch.float64)
        self._lengths = torch.zeros(rows, dtype=torch.int64)
        self._world = torch.arange(rows) // agents
        self._played = torch.zeros(rows, dtype=torch.int64)

    def add(self, reward: Tensor, ended: Tensor, counted: Tensor, rows: slice = ALL) -> None:
        """Count one step of some rows, `[rows]` each: what it earned, whose episode ended, and whose action was one."""
        returns, lengths = self._returns[rows], self._lengths[rows]
        returns += reward
        lengths += counted
        if bool(ended.any()):
            group = self._played[rows] * len(self._world) + self._world[rows]
            columns = (column[ended].tolist() for column in (returns, lengths, group))
            self.finished.extend(zip(*columns, strict=True))
            self.count += int(ended.sum())
            self._played[rows] += ended
            returns[ended] = 0
            lengths[ended] = 0

    def restore(self, count: int, finished: Iterable[Iterable[Any]]) -> None:
        """Go on from an earlier run's numbers, between episodes; one without a group is of a world of its own."""
        self.count = count
        for place, (total, length, *group) in enumerate(finished):
            self.finished.append((total, length, group[0] if group else -1 - place))
        self._played.fill_(max((group for _, _, group in self.finished), default=-1) // len(self._world) + 1)

    def forget_unfinished(self) -> None:
        """Drop the episodes under way: their world was left."""
        self._returns.zero_()
        self._lengths.zero_()
        self._played.fill_(int(self._played.max()) + 1)  # of the next world all begin their first

    def means(self, ranks: Ranks | None = None) -> dict[str, float | None]:
        """Return the mean return, half of its 95 % interval, and the mean length of recent episodes, on all ranks.

        None before the first has ended; the interval is None with fewer than two groups.
        """
        parts = (ranks or Ranks.alone()).gather(list(self.finished))
        rows = [
            (total, length, len(parts) * group + rank)
            for rank, part in enumerate(parts)
            for total, length, group in part
        ]
        if not rows:
            return dict.fromkeys(("return_mean", "return_ci95", "length_mean"))
        returns, lengths, groups = zip(*rows, strict=True)
        return {
            "return_mean": sum(returns) / len(rows),
            "return_ci95": half_width(torch.tensor(returns, dtype=torch.float64), torch.tensor(groups)),
            "length_mean": sum(lengths) / len(rows),
        }
