"""The categorical distribution over actions.

Legend: `B` rows, `A` actions of the present world, `K` those of them that the policy knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn.functional import log_softmax

from glulam_heads.categorical import CategoricalHead

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ActionDistribution"]


class ActionDistribution(CategoricalHead):
    """One action of the world's list, `[B]` int64."""

    kind = "discrete"

    def _normalized(self, own: Tensor) -> Tensor:
        return log_softmax(own, -1)

    def _winners(self, race: Tensor, mask: Tensor | None) -> Tensor:  # noqa: ARG002 - it is in the race
        best = race.argmax(-1)
        return best if self.rows.in_order else self.rows.columns[best]

    def _log_prob(self, full: Tensor, actions: Tensor) -> Tensor:
        return full.gather(-1, actions[:, None]).squeeze(-1)
