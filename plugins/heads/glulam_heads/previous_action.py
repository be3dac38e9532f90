"""The previous action and reward as one vector.

Legend: `B` rows, `A` actions of the present world, `C` its choices, `E` embedding width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import embedding

from glulam import GlulamError
from glulam_heads.action_rows import ActionRows, ByName
from glulam_heads.embedding import embedding_table
from glulam_heads.ranges import middles_and_half_ranges

if TYPE_CHECKING:
    from glulam import EnvSpec

__all__ = ["PreviousAction"]


class PreviousAction(ByName):
    """The embedding of the previous action, found by name, and the reward that came of it.

    Several choices: the sum of the rows of the options taken. Numbers: the sum of their rows, each times its
    number (0 in the middle of its range, 1 at its upper bound). An action that is not known is zeros. At the first
    step of an episode there was no action, and all is zeros.

    Args:
        max_actions: rows of the table.
        embed_dim: its width E.
        init_scale: its largest entry at first, the table being orthogonal otherwise.
        reward_clip: the largest magnitude of a reward.
    """

    starts: Tensor
    middle: Tensor
    half_range: Tensor

    def __init__(
        self, max_actions: int = 100, embed_dim: int = 16, init_scale: float = 1.0, reward_clip: float = 10.0
    ) -> None:
        super().__init__()
        self.weight = embedding_table(max_actions, embed_dim, init_scale)
        self.rows = ActionRows(max_actions)
        self.reward_clip = reward_clip
        self.register_buffer("starts", torch.zeros(0, dtype=torch.int64), persistent=False)
        self.register_buffer("middle", torch.zeros(0), persistent=False)
        self.register_buffer("half_range", torch.zeros(0), persistent=False)

    def initialize_to_environment(self, env: EnvSpec, device: torch.device | str | None = None) -> None:
        """Find the rows of a world's actions; GlulamError if it is the first and they do not fit into the table."""
        super().initialize_to_environment(env, device)
        where = self.rows.index.device
        sizes = torch.tensor(env.actions.choices, dtype=torch.int64, device=where)
        self.starts = sizes.cumsum(0) - sizes
        self.middle, self.half_range = middles_and_half_ranges(env.actions, where)

    def forward(self, actions: Tensor, rewards: Tensor | None, dones: Tensor, truncateds: Tensor) -> Tensor:
        """Return a vector a row, `[B, E + 1]`, or `[B, E]` without rewards.

        Args:
            actions: of the step before, `[B]`, `[B, C]` or `[B, A]`, as the world's kind of actions is.
            rewards: of the step before, `[B]`; None leaves them out.
            dones: `[B]`, bool, True where an episode has ended and the next begins with this step.
            truncateds: likewise.

        Raises:
            GlulamError: if the actions have another shape than the present world's.
        """
        table = self.rows.look_up(self.weight)  # (A, E)
        self._check(actions)
        first = dones | truncateds
        # What a world says of an action that never was may be no action at all, such as -1.
        actions = actions.masked_fill(first.view(-1, *[1] * (actions.dim() - 1)), 0)
        vector = self._embedded(actions, table)
        if rewards is not None:
            clipped = rewards.clamp(-self.reward_clip, self.reward_clip)
            vector = torch.cat([vector, clipped[:, None].to(vector.dtype)], -1)
        return vector.masked_fill(first[:, None], 0)

    def _embedded(self, actions: Tensor, table: Tensor) -> Tensor:
        """Return embeddings `[B, E]` of actions."""
        if self.middle.numel():
            return ((actions - self.middle) / self.half_range).to(table.dtype) @ table
        if self.starts.numel():
            return embedding(actions + self.starts, table).sum(1)  # (B, C, E) -> (B, E)
        return embedding(actions, table)

    def _check(self, actions: Tensor) -> None:
        spec = self.rows.actions
        if spec is not None and tuple(actions.shape[1:]) != spec.shape:
            found, expected = list(actions.shape[1:]), list(spec.shape)
            msg = f"previous_action: an action has the dims {found}, but the environment's have {expected}"
            raise GlulamError(msg)
