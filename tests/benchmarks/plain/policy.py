"""The five policies: an encoder, a memory, a critic and an actor.

Legend: `B` rows, `T` steps, `N` tokens, `A` actions, `D` width.
"""

import torch
from torch import nn

from tests.benchmarks.plain.attention import LatentAttention, SelfAttention
from tests.benchmarks.plain.memory import Memory
from tests.benchmarks.plain.tokens import TokenFeatures, cut
from tests.benchmarks.plain.vision import Box

__all__ = ["NAMES", "PlainPolicy", "plain_policy"]

WIDTH = 128  # of what is encoded and remembered
CRITIC, ACTOR = 1024, 512  # hidden widths
ACTIONS, ACTION_WIDTH = 100, 16  # the table of actions

# Tokens (embedding, frequencies), latent attention (queries, width, layers, heads), self-attention (layers, heads).
READERS = {
    "latent_attn_tiny": ((10, 4), (1, 32, 2, 4), None),
    "latent_attn_small": ((8, 8), (10, 32, 1, 4), (2, 4)),
    "latent_attn_med": ((12, 8), (10, 32, 3, 8), (3, 8)),
    "vit_lstm": ((12, 6), (10, 48, 2, 4), (4, 8)),
}
NAMES = ("fast", *READERS)


def plain_policy(name, world):
    """Return one of the five by name, for a world."""
    if name == "fast":
        return PlainPolicy(world, BoxEncoder(world))
    return PlainPolicy(world, TokenEncoder(world, *READERS[name]), vit=name == "vit_lstm")


class BoxEncoder(nn.Module):
    """Box, two convolutions, two linear maps, a ReLU after each."""

    def __init__(self, world):
        super().__init__()
        self.box = Box(world)
        self.convolutions = nn.Sequential(
            nn.Conv2d(world.num_names, 64, 5, 3), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten()
        )
        cells = ((world.height - 5) // 3 - 1) * ((world.width - 5) // 3 - 1)
        self.linears = nn.Sequential(nn.Linear(64 * cells, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU())

    def forward(self, obs):
        return self.linears(self.convolutions(self.box(obs)))


class TokenEncoder(nn.Module):
    """Features of tokens, latent attention, and self-attention where there are several queries."""

    def __init__(self, world, tokens, latent, attention):
        super().__init__()
        self.tokens = TokenFeatures(world, *tokens)
        out_dim = latent[1] if attention else WIDTH
        self.latent = LatentAttention(self.tokens.width, out_dim, *latent)
        self.attention = SelfAttention(out_dim, WIDTH, *attention) if attention else nn.Flatten()

    def forward(self, obs):
        return self.attention(self.latent(*self.tokens(obs)))


class PlainPolicy(nn.Module):
    """A whole policy. In `vit_lstm` no ReLU follows the memory, the critic has one, the actor no hidden layer."""

    def __init__(self, world, encoder, *, vit=False):
        super().__init__()
        self.world = world
        self.encoder = encoder
        self.memory = Memory(WIDTH, 2)
        self.after = nn.Identity() if vit else nn.ReLU()
        self.critic = nn.Sequential(nn.Linear(WIDTH, CRITIC), nn.ReLU() if vit else nn.Tanh(), nn.Linear(CRITIC, 1))
        self.actor = nn.Identity() if vit else nn.Sequential(nn.Linear(WIDTH, ACTOR), nn.ReLU())
        self.query = nn.Parameter(torch.randn(WIDTH if vit else ACTOR, ACTION_WIDTH) / 16)
        self.actions = nn.Parameter(torch.randn(ACTIONS, ACTION_WIDTH))

    def act(self, obs, dones, truncateds):
        """Return actions, their log-probs and values, `[B]` each, for `[B, N, 3]`; rows that have ended start anew."""
        logits, values = self.step(obs, dones | truncateds)
        log_probs = torch.log_softmax(logits, dim=-1)
        actions = torch.multinomial(log_probs.exp(), 1)  # (B, 1)
        return actions.squeeze(-1), log_probs.gather(-1, actions).squeeze(-1), values

    def score(self, obs, resets, actions, state):
        """Return log-probs of actions, entropies and values, `[B, T]` each, for `[B, T, N, 3]`.

        The state is h and c before the first step, `[2, B, D]` each.
        """
        logits, values = self.unroll(obs, resets, state)
        log_probs = torch.log_softmax(logits, dim=-1)
        entropy = -(log_probs.exp() * log_probs).sum(-1)
        return log_probs.gather(-1, actions[..., None]).squeeze(-1), entropy, values

    def step(self, obs, ended):
        """Return logits (`[B, A]`) and values (`[B]`) of one step, and remember it."""
        return self.heads(self.memory.step(self.encode(obs), ended))

    def unroll(self, obs, resets, state):
        """Return logits (`[B, T, A]`) and values (`[B, T]`) of segments; what the rollout remembers is left alone."""
        x = self.encode(obs.flatten(0, 1)).unflatten(0, obs.shape[:2])  # (B, T, D)
        return self.heads(self.memory.sequence(x, resets, state))

    def encode(self, obs):
        return self.encoder(cut(obs, self.world.padding))

    def heads(self, x):
        core = self.after(x)
        query = torch.tanh(self.actor(core) @ self.query)
        return query @ self.actions[: self.world.num_actions].t(), self.critic(core).squeeze(-1)
