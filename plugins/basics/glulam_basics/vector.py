"""The observation shaper of worlds that show plain numbers.

Legend: `B` rows, `D` width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from glulam import EnvSpec, GlulamError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["VectorShaper"]

SMALLEST_SPREAD = 1e-4  # a number that never changes must not blow up once it does


class VectorShaper(nn.Module):
    """Numbers of any shape as one vector, normalised by statistics of the observations seen in training.

    The statistics are saved with the weights. They change in `update_statistics` alone, which a trainer calls
    between updates: within one, training and rollout must see the same numbers.

    Args:
        obs_meta: what `EnvSpec.obs_meta()` returned.
        out_dim: width D.
        normalize: shift and scale each number to mean 0 and standard deviation 1.
        clip: the largest magnitude of a normalised number.

    Raises:
        GlulamError: if the world shows tokens, or another number of numbers.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, obs_meta: dict[str, Any], out_dim: int, *, normalize: bool = False, clip: float = 10.0) -> None:
        super().__init__()
        self.out_dim, self.normalize, self.clip = out_dim, normalize, clip
        self.initialize_to_environment(EnvSpec.from_dict(obs_meta, where="obs_meta"))
        for name, value in (
            ("mean", torch.zeros(out_dim)),
            ("variance", torch.ones(out_dim)),
            ("count", torch.zeros(())),
        ):
            self.register_buffer(name, value, persistent=normalize)

    def initialize_to_environment(self, env: EnvSpec, device: torch.device | str = "cpu") -> None:
        """Refuse a world whose observations are no vector of this width.

        Raises:
            GlulamError: saying what the world shows instead.
        """
        del device
        if env.box_size != self.out_dim:
            shown = f"{env.box_size} numbers" if env.box else "tokens"
            msg = f"environment {env.name!r} shows {shown}; vector_shaper takes {self.out_dim} numbers"
            raise GlulamError(msg)

    def forward(self, observation: Tensor) -> Tensor:
        """Return `[B, D]` from an observation `[B, ...]` of any dtype."""
        # len() would be a constant to torch.export.
        vector = observation.reshape(observation.shape[0], self.out_dim).to(self.mean.dtype)  # (B, D)
        if not self.normalize:
            return vector
        scaled = (vector - self.mean) * (self.variance + SMALLEST_SPREAD**2).rsqrt()
        return scaled.clamp(-self.clip, self.clip)

    @torch.no_grad()
    def update_statistics(self, observations: Tensor) -> None:
        """Take observations `[M, ...]` into the mean and variance (Chan et al. 1983, equation 2.1)."""
        if not self.normalize or not len(observations):
            return
        new = observations.reshape(len(observations), self.out_dim).double()  # (M, D)
        ours, count = float(self.count), len(new)
        total = ours + count
        gap = new.mean(0) - self.mean.double()
        spread = self.variance.double() * ours + new.var(0, correction=0) * count + gap.square() * ours * count / total
        self.mean.copy_(self.mean.double() + gap * count / total)
        self.variance.copy_(spread / total)
        self.count.fill_(total)
