"""The module of `ensemble_class`. Legend: `B` rows, `N` tokens, `A` actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

import glulam

if TYPE_CHECKING:
    from glulam_policies.ensemble_class import EnsembleClassConfig

__all__ = ["EnsemblePolicy"]


class EnsemblePolicy(glulam.Policy):
    """Every module comes from a layer config; the class says in which order they run, and how often."""

    def __init__(self, resolved: glulam.ResolvedPolicy, config: EnsembleClassConfig) -> None:
        super().__init__(resolved)
        env = self.env
        self.out_keys = ["values", "logits"]
        self.shaper = config.obs_shaper.instantiate(env.obs_meta()).module
        self.tokenizer = config.tokenizer.build()
        self.encoders = nn.ModuleList(config.encoder.build() for _ in range(config.members))
        self.memory = config.memory.build()
        self.critic = config.critic.build()
        self.action_embedding = config.action_embedding.build()
        self.actor = config.actor.build()
        self.action_head = config.action_head.instantiate()

    def compute(self, inputs: dict[str, Tensor], recur: glulam.Recurrence) -> dict[str, Tensor]:
        """Return values (`[B]`) and logits (`[B, A]`)."""
        tokens, mask = self.shaper(inputs["env_obs"])  # (B, N, 3), (B, N)
        features = self.tokenizer(tokens)  # (B, N, feature_dim)
        encoded = torch.stack([encoder(features, mask) for encoder in self.encoders]).mean(0)  # (B, 128)
        core = torch.relu(recur("memory", self.memory, encoded))  # (B, 128)
        return {"values": self.critic(core), "logits": self.actor(core, self.action_embedding())}
