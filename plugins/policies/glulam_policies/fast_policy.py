"""The module of `fast_class`. Legend: `B` rows, `A` actions."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

import glulam

if TYPE_CHECKING:
    from glulam_policies.fast_class import FastClassConfig

__all__ = ["FastPolicy"]


class FastPolicy(glulam.Policy):
    """Box, two convolutions, two linear layers, a two-layer LSTM with a skip, a critic and a bilinear actor."""

    def __init__(self, resolved: glulam.ResolvedPolicy, config: FastClassConfig) -> None:
        super().__init__(resolved)
        env = self.env
        self.out_keys = ["values", "logits"]
        self.view = (env.view_height, env.view_width)
        width = config.hidden_size
        self.box = (
            glulam.layer_config("box_shaper", num_channels=config.num_channels).instantiate(env.obs_meta()).module
        )
        self.conv1 = nn.Conv2d(self.box.num_channels, config.channels, 5, 3)
        self.conv2 = nn.Conv2d(config.channels, config.channels, 3)
        self.encoder1 = nn.Linear(self._flat_width(env), width)
        self.encoder2 = nn.Linear(width, width)
        self.memory = glulam.layer_config(
            "lstm", in_dim=width, hidden_size=width, num_layers=2, skip=True, in_key="x", out_key="core"
        ).build()
        self.critic1 = nn.Linear(width, config.critic_size)
        self.critic2 = nn.Linear(config.critic_size, 1)
        self.actions = glulam.layer_config("action_embedding", embed_dim=config.embed_dim).build()
        self.actor = nn.Linear(width, config.actor_size)
        self.query = nn.Parameter(torch.empty(config.actor_size, config.embed_dim))
        self.action_head = glulam.layer_config("action_distribution").instantiate()
        self._initialize()

    def _flat_width(self, env: glulam.EnvSpec) -> int:
        sizes = [((size - 5) // 3 + 1) - 2 for size in (env.view_height, env.view_width)]
        if min(sizes) < 1:
            msg = f"fast_class needs a view of 11 x 11 or more, environment {env.name!r} shows less"
            raise glulam.GlulamError(msg)
        return self.conv2.out_channels * sizes[0] * sizes[1]

    def initialize_to_environment(self, env: glulam.EnvSpec, device: torch.device | str = "cpu") -> None:
        """Follow to a world of the same view: the convolutions count its cells.

        Raises:
            GlulamError: if the view has another size.
        """
        if (env.view_height, env.view_width) != self.view:
            found = f"{env.view_height} x {env.view_width}, the policy was made for {self.view[0]} x {self.view[1]}"
            msg = f"environment {env.name!r} has a view of {found}; train a new one, or take a policy that reads tokens"
            raise glulam.GlulamError(msg)
        super().initialize_to_environment(env, device)

    def _initialize(self) -> None:
        for layer in (self.conv1, self.conv2, self.encoder1, self.encoder2, self.actor):
            nn.init.orthogonal_(layer.weight, sqrt(2))
        for layer in (self.critic1, self.critic2):
            nn.init.orthogonal_(layer.weight)
        for layer in (self.conv1, self.conv2, self.encoder1, self.encoder2, self.actor, self.critic1, self.critic2):
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        nn.init.orthogonal_(self.query)

    def compute(self, inputs: dict[str, Tensor], recur: glulam.Recurrence) -> dict[str, Tensor]:
        """Return values (`[B]`) and logits (`[B, A]`)."""
        box = self.box(inputs["env_obs"])
        x = torch.relu(self.conv2(torch.relu(self.conv1(box)))).flatten(1)
        x = torch.relu(self.encoder2(torch.relu(self.encoder1(x))))
        core = torch.relu(recur("memory", self.memory, x))
        query = torch.tanh(torch.relu(self.actor(core)) @ self.query)  # (B, embed_dim)
        return {
            "values": self.critic2(torch.tanh(self.critic1(core))).squeeze(-1),
            "logits": query @ self.actions().T,
        }
