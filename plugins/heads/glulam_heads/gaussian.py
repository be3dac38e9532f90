"""The Gaussian distribution over actions that are numbers.

Legend: `B` rows, `A` numbers of the present world's action, `K` those of them that the policy knows,
`N` all that it knows.
"""

from __future__ import annotations

from math import log, pi
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from glulam_heads.action_head import ActionHead
from glulam_heads.ranges import middles_and_half_ranges

if TYPE_CHECKING:
    from glulam import EnvSpec

__all__ = ["GaussianDistribution"]

LOG_ROOT = log(2 * pi) / 2  # of the normal density's constant


class GaussianDistribution(ActionHead):
    """Each number is normal: middle + half range * (mean + std * noise), its range being the environment's.

    The means come from the network, in units of the half range; the log standard deviations, in the same units, are
    learned one a name and are the same in every state. A sample may lie beyond the bounds, and what the environment
    makes of it (it clips) is no concern of the log probability. A number that the policy does not know stays in the
    middle of its range, and counts for nothing in log probability and entropy.

    Args:
        max_actions: how many names of numbers there may be.
        init_log_std: the log standard deviations at first.
    """

    kind = "continuous"
    middle: Tensor
    half_range: Tensor

    def __init__(self, max_actions: int = 100, init_log_std: float = -0.5) -> None:
        super().__init__(max_actions)
        self.log_std = nn.Parameter(torch.full((max_actions,), init_log_std))
        self.register_buffer("middle", torch.zeros(0), persistent=False)
        self.register_buffer("half_range", torch.zeros(0), persistent=False)

    def initialize_to_environment(self, env: EnvSpec, device: torch.device | str | None = None) -> None:
        """Find the rows and the ranges of a world's numbers.

        Raises:
            GlulamError: if the world has another kind of actions, none that the policy knows, or is the first and
                they do not fit into the table.
        """
        super().initialize_to_environment(env, device)
        self.middle, self.half_range = middles_and_half_ranges(env.actions, self.rows.index.device)

    def act(self, means: Tensor) -> tuple[Tensor, Tensor]:
        """Return actions (`[B, A]`, float32) and their log probabilities (`[B]`).

        Args:
            means: `[B, A]`.

        Raises:
            GlulamError: if A is not the number of the present world's numbers.
        """
        own, log_std = self._means_and_log_std(means)
        unit = own if self.greedy else own + log_std.exp() * self._noise(own)
        middle, half_range = self._ranges()
        # Rounded first: what is stored and scored later is the number that the environment got.
        taken = (middle + half_range * unit).detach().float()
        return self.rows.give(taken, self.middle), self._log_prob(own, log_std, taken).to(means.dtype)

    def score(self, means: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Return log probabilities of `actions` (`[B]`) and entropies (`[B]`).

        Args:
            means: `[B, A]`.
            actions: `[B, A]`, in the environment's units.
        """
        own, log_std = self._means_and_log_std(means)
        log_prob = self._log_prob(own, log_std, self.rows.take(actions))
        entropy = (log_std + self._ranges()[1].log() + (LOG_ROOT + 0.5)).sum(-1)
        return log_prob.to(means.dtype), entropy.to(means.dtype).expand(means.shape[0])

    def forward(self, means: Tensor) -> tuple[Tensor, Tensor]:
        """Act: see `act`; means are `[B, numbers]`."""
        return self.act(means)

    def _noise(self, own: Tensor) -> Tensor:
        """Return normal noise `[B, K]`, drawn for all N numbers that the policy knows."""
        return self.rows.noise_here(self.rows.noise_room(own).normal_())

    def _means_and_log_std(self, means: Tensor) -> tuple[Tensor, Tensor]:
        """Return means `[B, K]` and log standard deviations `[K]`, in float32 at least."""
        self.rows()  # no world, no ranges
        own = self._own(means)
        dtype = torch.promote_types(own.dtype, torch.float32)
        return own.to(dtype), self.log_std.index_select(0, self.rows.own_rows).to(dtype)

    def _ranges(self) -> tuple[Tensor, Tensor]:
        return self.rows.take(self.middle), self.rows.take(self.half_range)

    def _log_prob(self, own: Tensor, log_std: Tensor, taken: Tensor) -> Tensor:
        middle, half_range = self._ranges()
        noise = ((taken - middle) / half_range - own) / log_std.exp()
        return -(0.5 * noise.square() + log_std + half_range.log() + LOG_ROOT).sum(-1)
