"""The categorical distribution over actions.

Legend: `B` rows, `A` actions of the present world, `N` actions that the policy knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from glulam import GlulamError
from glulam_heads.action_rows import ActionRows

if TYPE_CHECKING:
    from glulam import EnvSpec

__all__ = ["ActionDistribution"]


class ActionDistribution(nn.Module):
    """Samples actions (`act`) and scores given ones (`score`).

    Noise is drawn in the policy's own order of actions, so that in a world that lists them in another order
    the same seed picks the same actions. A masked action is never picked while another is allowed, and its
    log probability is the lowest finite number. In a row that allows none all actions are equally likely, so
    that nothing becomes NaN.

    Attributes:
        greedy: whether `act` takes the likeliest action instead of sampling.
    """

    def __init__(self) -> None:
        super().__init__()
        self.greedy = False
        self.rows = ActionRows()

    def initialize_to_environment(self, env: EnvSpec, device: torch.device | str | None = None) -> None:
        """Find where the policy's own order has each of a world's actions."""
        self.rows.initialize_to_environment(env, device)

    def set_greedy(self, greedy: bool) -> None:  # noqa: FBT001 - called by name through Policy.each
        """Take the likeliest action from now on, or sample again."""
        self.greedy = greedy

    def act(self, logits: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return actions (`[B]`, int64) and their log probabilities (`[B]`).

        Args:
            logits: `[B, A]`.
            mask: `[B, A]`, bool, True for an action that is allowed; None where all are.

        Raises:
            GlulamError: if A is not the number of the present world's actions.
        """
        log_probs = self._log_probs(logits, mask)
        # The race of exponential clocks: the first to ring is each action with its own probability.
        race = log_probs if self.greedy else log_probs.exp() / self._noise(log_probs)
        actions = race.argmax(-1)
        return actions, log_probs.gather(-1, actions[:, None]).squeeze(-1)

    def score(self, logits: Tensor, mask: Tensor | None, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return log probabilities of `actions` (`[B]`), entropies (`[B]`), all log probabilities (`[B, A]`).

        Args:
            logits: `[B, A]`.
            mask: as in `act`.
            actions: `[B]`, int64.
        """
        log_probs = self._log_probs(logits, mask)
        # A foreign layer may mask with -inf, and 0 * -inf is NaN.
        finite = log_probs.clamp_min(torch.finfo(log_probs.dtype).min)
        entropy = -(log_probs.exp() * finite).sum(-1)
        return log_probs.gather(-1, actions[:, None]).squeeze(-1), entropy, log_probs

    def forward(self, logits: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Act."""
        return self.act(logits, mask)

    @staticmethod
    def _log_probs(logits: Tensor, mask: Tensor | None) -> Tensor:
        if mask is not None:
            logits = logits.masked_fill(~mask, torch.finfo(logits.dtype).min)
        return log_softmax(logits, -1)

    def _noise(self, like: Tensor) -> Tensor:
        """Return exponential noise `[B, A]`, drawn as `[B, N]`."""
        B, A = like.shape
        if not self.rows.present:
            noise = torch.empty_like(like).exponential_()
        elif len(self.rows.present) != A:
            msg = f"action_distribution: {A} logits, but the environment has {len(self.rows.present)} actions"
            raise GlulamError(msg)
        else:
            noise = like.new_empty(B, len(self.rows.names)).exponential_()
            if not self.rows.in_order:
                noise = noise.index_select(1, self.rows.index)
        # A clock that rings at 0 would let a masked action (0 / 0) win.
        return noise.clamp_min_(torch.finfo(noise.dtype).tiny)
