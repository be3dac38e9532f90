"""What the two heads that pick among named options have in common.

Legend: `B` rows, `A` actions of the present world, `K` those of them that the policy knows, `N` all that it knows.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from glulam_heads.action_head import ActionHead

__all__ = ["CategoricalHead", "lowest"]


def lowest(like: Tensor) -> float:
    """Return the lowest finite number of the dtype of a tensor of any shape, `[...]`."""
    return torch.finfo(like.dtype).min


class CategoricalHead(ActionHead):
    """Picks options by their logits.

    A masked option is never picked while another is allowed, and its log probability is the lowest finite number.
    In a row that allows none all are equally likely, so that nothing becomes NaN. An option that the policy does
    not know is never picked, and has the lowest log probability too, whatever the mask says.
    """

    def act(self, logits: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return actions and their log probabilities (`[B]`).

        Args:
            logits: `[B, A]`.
            mask: `[B, A]`, bool, True for an option that is allowed; None where all are.

        Raises:
            GlulamError: if A is not the number of the present world's actions.
        """
        own, full = self._log_probs(logits, mask)
        # The race of exponential clocks: the first to ring is each option with its own probability.
        race = own if self.greedy else own.exp() / self._noise(own)
        actions = self._winners(race, mask)
        return actions, self._log_prob(full, actions)

    def score(self, logits: Tensor, mask: Tensor | None, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return log probabilities of `actions` (`[B]`), entropies (`[B]`), all log probabilities (`[B, A]`).

        Args:
            logits: `[B, A]`.
            mask: as in `act`.
            actions: as `act` returned them.
        """
        own, full = self._log_probs(logits, mask)
        shares = own.exp()
        # What is masked has a share of 0 and a logarithm without bound, whose product, and gradient, would be NaN.
        entropy = -(shares * own.masked_fill(shares == 0, 0)).sum(-1)
        return self._log_prob(full, actions), entropy, full

    def forward(self, logits: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Act: see `act`; logits are `[B, actions]`."""
        return self.act(logits, mask)

    @abstractmethod
    def _normalized(self, own: Tensor) -> Tensor:
        """Return log probabilities `[B, K]` from logits `[B, K]`."""

    @abstractmethod
    def _winners(self, race: Tensor, mask: Tensor | None) -> Tensor:
        """Return the world's actions that won a race `[B, K]`."""

    @abstractmethod
    def _log_prob(self, full: Tensor, actions: Tensor) -> Tensor:
        """Return the log probabilities `[B]` of a world's actions from those of all options `[B, A]`."""

    def _log_probs(self, logits: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return log probabilities in the policy's own order `[B, K]` and in the world's `[B, A]`."""
        own = self._own(logits)
        if mask is not None:
            own = own.masked_fill(~self.rows.take(mask), lowest(own))
        own = self._normalized(own)
        return own, own if self.rows.in_order else self.rows.give(own, own.new_full((), lowest(own)))

    def _noise(self, own: Tensor) -> Tensor:
        """Return exponential noise `[B, K]`, drawn for all N options that the policy knows."""
        noise = self.rows.noise_here(self.rows.noise_room(own).exponential_())
        # A clock that rings at 0 would let a masked option (0 / 0) win.
        return noise.clamp_min_(torch.finfo(noise.dtype).tiny)
