"""An auxiliary loss that spans time: predict what the next step brings.

Legend: `S` segments, `T` steps, `D` width, `K` numbers to predict.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from torch import nn

from glulam import GlulamError

if TYPE_CHECKING:
    from tensordict import TensorDictBase
    from torch import Tensor

    from glulam import Policy
    from glulam_train.configs import PredictionConfig

__all__ = ["PredictionLoss"]


class PredictionLoss(nn.Module):
    """A callable `(current, stored) -> (loss, metrics)`; see `PredictionConfig`."""

    def __init__(self, config: PredictionConfig) -> None:
        super().__init__()
        self.config = config

    def initialize(self, policy: Policy) -> None:
        """Make the linear map from D to K numbers.

        Raises:
            GlulamError: if the width of the policy's vector is not known.
        """
        info = policy.resolved.keys.get(self.config.in_key)
        width = info.dims[-1] if info is not None and info.dims else None
        if not isinstance(width, int):
            msg = f"loss prediction: the width of {self.config.in_key!r} is not known; set in_key to another key"
            raise GlulamError(msg)
        numbers = prod(policy.experience_spec()[self.config.target_key].shape)
        self.map = nn.Linear(width, numbers, device=policy.device, dtype=policy.dtype)

    def counted(self, stored: TensorDictBase) -> Tensor:
        """Return the steps that the loss is a mean over, `[S, T]`: whose action counted and whose episode went on."""
        config = self.config
        ended = stored["next", config.done_key] | stored["next", config.truncated_key]
        counted: Tensor = stored[config.valid_key] & ~ended
        return counted

    def forward(self, current: TensorDictBase, stored: TensorDictBase) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of a minibatch (a scalar) and what to log about it; both arguments are `[S, T]` steps."""
        config = self.config
        counted = self.counted(stored)  # (S, T)
        picked = counted.flatten().nonzero().squeeze(1)  # once: on a GPU that waits
        predicted = self.map(current[config.in_key].flatten(0, 1)[picked])  # (M, K)
        target = stored["next", config.target_key].flatten(0, 1)[picked].reshape(predicted.shape).to(predicted.dtype)
        error = (predicted - target).square().mean() if len(predicted) else predicted.sum()
        return config.coef * error, {"error": error.detach(), "target_variance": _variance(target)}


def _variance(target: Tensor) -> Tensor:
    """Return the error of the best constant, to compare with."""
    return target.var(0, correction=0).mean() if len(target) else target.new_zeros(())
