"""The plain attention encoders with torch's own `nn.MultiheadAttention` in them, the weights shared where they can be.

Legend: `B` rows, `N` tokens, `Q` queries, `D` width.
"""

import torch
from torch import nn

__all__ = ["TorchLatentAttention", "TorchSelfAttention"]


class TorchLatentAttention(nn.Module):
    """Latent attention as one writes it with torch's module, which projects keys and values in each block."""

    def __init__(self, plain):
        super().__init__()
        self.plain = plain
        self.attentions = nn.ModuleList(self.attention_of(block) for block in plain.blocks)

    def attention_of(self, block):
        width, in_dim = self.plain.key.weight.shape
        attention = nn.MultiheadAttention(width, block.num_heads, kdim=in_dim, vdim=in_dim, batch_first=True)
        attention.q_proj_weight = block.query.weight
        attention.k_proj_weight, attention.v_proj_weight = self.plain.key.weight, self.plain.value.weight
        return finished(attention, block.attention_out)

    def forward(self, features, real):
        """Return `[B, Q, out_dim]` from `[B, N, in_dim]`; `real` is `[B, N]`, False at padding."""
        plain, hidden = self.plain, ~real
        tokens = plain.token_norm(features)
        x = plain.queries.expand(len(features), -1, -1)  # (B, Q, D)
        for block, attention in zip(plain.blocks, self.attentions, strict=True):
            query = block.attention_norm(x)
            x = x + attention(query, tokens, tokens, key_padding_mask=hidden, need_weights=False)[0]
            x = x + block.mlp(x)
        return plain.out(plain.norm(x))


class TorchSelfAttention(nn.Module):
    """Self-attention as one writes it with torch's module."""

    def __init__(self, plain):
        super().__init__()
        self.cls, self.norm, self.out = plain.cls, plain.norm, plain.out
        self.norms = nn.ModuleList(block.norm for block in plain.blocks)
        self.attentions = nn.ModuleList(map(self.attention_of, plain.blocks))

    def attention_of(self, block):
        attention = nn.MultiheadAttention(block.query.in_features, block.num_heads, batch_first=True)
        maps = [project.weight for project in (block.query, block.key, block.value)]
        attention.in_proj_weight = nn.Parameter(torch.cat(maps).detach())
        return finished(attention, block.attention_out)

    def forward(self, x):
        """Return `[B, out_dim]` from `[B, N, D]`."""
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], dim=1)
        for norm, attention in zip(self.norms, self.attentions, strict=True):
            normed = norm(x)
            x = x + attention(normed, normed, normed, need_weights=False)[0]
        return self.out(self.norm(x[:, 0]))


def finished(attention, out):
    """Return torch's module with the map of a block's results, and without the biases that a block does not have."""
    attention.in_proj_bias.requires_grad_(False)  # they start as zeros
    attention.out_proj.weight, attention.out_proj.bias = out.weight, out.bias
    return attention
