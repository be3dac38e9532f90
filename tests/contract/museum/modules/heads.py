"""See `heads.py` one folder up. `B` rows, `A` actions."""

from __future__ import annotations

import torch
from torch.nn.functional import log_softmax

from tests.contract.museum.modules.good import Head


class ScoresWithoutTheMask(Head):
    def score(self, logits, mask, actions):
        return super().score(logits, None, actions)


class ActsHotter(Head):
    def act(self, logits, mask=None):
        return super().act(logits / 2, mask)


class ScoresTheBest(Head):
    def score(self, logits, mask, actions):
        return super().score(logits, mask, self.log_probs(logits, mask).argmax(-1))


class EntropyOfTheWrongSign(Head):
    def score(self, logits, mask, actions):
        log_prob, entropy, full = super().score(logits, mask, actions)
        return log_prob, -entropy, full


class EntropyIsNan(Head):
    def log_probs(self, logits, mask):
        if mask is not None:
            mask = mask | ~mask.any(-1, keepdim=True)
            logits = logits.masked_fill(~mask, -torch.inf)
        return log_softmax(logits, -1)

    def score(self, logits, mask, actions):
        log_prob, _, full = super().score(logits, mask, actions)
        return log_prob, -(full.exp() * full).sum(-1), full


class NothingAllowedIsNan(Head):
    def log_probs(self, logits, mask):
        if mask is not None:
            logits = logits.masked_fill(~mask, -torch.inf)
        return log_softmax(logits, -1)


class ZeroesForbiddenLogits(Head):
    def log_probs(self, logits, mask):
        return log_softmax(logits if mask is None else logits * mask, -1)


class SumsTheBatch(Head):
    def act(self, logits, mask=None):
        actions, log_prob = super().act(logits, mask)
        return actions, log_prob.sum()

    def score(self, logits, mask, actions):
        log_prob, entropy, full = super().score(logits, mask, actions)
        return log_prob.sum(), entropy, full


class ColumnOfLogProbs(Head):
    def act(self, logits, mask=None):
        actions, log_prob = super().act(logits, mask)
        return actions, log_prob[:, None]

    def score(self, logits, mask, actions):
        log_prob, entropy, full = super().score(logits, mask, actions)
        return log_prob[:, None], entropy, full


class NotNormalised(Head):
    def act(self, logits, mask=None):
        actions, _ = super().act(logits, mask)
        return actions, logits.gather(-1, actions[:, None]).squeeze(-1)

    def score(self, logits, mask, actions):
        _, entropy, full = super().score(logits, mask, actions)
        return logits.gather(-1, actions[:, None]).squeeze(-1), entropy, full
