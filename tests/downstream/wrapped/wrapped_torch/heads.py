"""TorchRL's distributions as action heads: `B` rows, `A` actions."""

import torch
from torch import nn
from torchrl.modules import MaskedCategorical, NormalParamExtractor, TanhNormal


class TanhNormalHead(nn.Module):
    """NormalParamExtractor and TanhNormal."""

    def __init__(self):
        super().__init__()
        self.extract = NormalParamExtractor()

    def act(self, means, scales):
        """Return actions `[B, A]` and their log-probs `[B]`."""
        distribution = self._distribution(means, scales)
        actions = distribution.sample()
        return actions, distribution.log_prob(actions)

    def score(self, means, scales, actions):
        """Return the log-probs `[B]`."""
        return self._distribution(means, scales).log_prob(actions)

    def _distribution(self, means, scales):
        return TanhNormal(*self.extract(torch.cat((means, scales), -1)))


class MaskedCategoricalHead(nn.Module):
    """MaskedCategorical."""

    def act(self, logits, mask):
        """Return actions and their log-probs, `[B]` each."""
        distribution = MaskedCategorical(logits, mask=mask)
        actions = distribution.sample()
        return actions, distribution.log_prob(actions)

    def score(self, logits, mask, actions):
        """Return log-probs and entropies, `[B]` each."""
        distribution = MaskedCategorical(logits, mask=mask)
        return distribution.log_prob(actions), distribution.entropy()
