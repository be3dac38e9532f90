"""The module of `mlp_class`. Legend: `B` rows, `A` actions."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

import glulam
from glulam_policies.mlp_class import ChoiceKeys

if TYPE_CHECKING:
    from glulam_policies.mlp_class import MlpClassConfig

__all__ = ["MlpPolicy"]


class MlpPolicy(glulam.Policy):
    """An actor and a critic over the flattened observation, in plain PyTorch; the base class does the rest."""

    def __init__(self, resolved: glulam.ResolvedPolicy, config: MlpClassConfig) -> None:
        super().__init__(resolved)
        env = self.env
        if env.box is None or env.actions.kind != "discrete":
            msg = "mlp_class is for environments that show numbers and have discrete actions; take another policy"
            raise glulam.GlulamError(msg)
        self.out_keys = ["values", "logits"]
        self.actor = _network(env.box_size, config.hidden_size, env.num_actions, gain=0.01)
        self.critic = _network(env.box_size, config.hidden_size, 1, gain=1.0)
        self.action_head = glulam.BoundLayer(ChoiceKeys(), _Choice())

    def compute(self, inputs: dict[str, Tensor], recur: glulam.Recurrence) -> dict[str, Tensor]:
        """Return values (`[B]`) and logits (`[B, A]`); there is no memory, so `recur` has nothing to do."""
        del recur
        x = inputs["env_obs"].flatten(1).to(self.dtype)
        return {"values": self.critic(x).squeeze(-1), "logits": self.actor(x)}


class _Choice(nn.Module):
    """One of the actions, drawn with the probabilities that the logits give."""

    def __init__(self) -> None:
        super().__init__()
        self.greedy = False

    def set_greedy(self, greedy: bool) -> None:  # noqa: FBT001 - called by name through Policy.each
        """Take the likeliest action from now on, or sample again."""
        self.greedy = greedy

    def act(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return actions (`[B]`, int64) and their log probabilities (`[B]`)."""
        log_probs = logits.log_softmax(-1)  # (B, A)
        actions = logits.argmax(-1) if self.greedy else torch.multinomial(log_probs.exp(), 1).squeeze(-1)
        return actions, log_probs.gather(-1, actions[:, None]).squeeze(-1)

    def score(self, logits: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Return log probabilities of `actions` (`[B]`) and entropies (`[B]`)."""
        log_probs = logits.log_softmax(-1)  # (B, A)
        entropy = -(log_probs.exp() * log_probs).sum(-1)
        return log_probs.gather(-1, actions[:, None]).squeeze(-1), entropy


def _network(in_dim: int, width: int, out_dim: int, *, gain: float) -> nn.Sequential:
    sizes, gains = (in_dim, width, width, out_dim), (sqrt(2), sqrt(2), gain)
    network = nn.Sequential()
    for number, last in enumerate(gains):
        linear = nn.Linear(sizes[number], sizes[number + 1])
        nn.init.orthogonal_(linear.weight, last)
        nn.init.zeros_(linear.bias)
        network.append(linear)
        if number < len(gains) - 1:
            network.append(nn.Tanh())
    return network
