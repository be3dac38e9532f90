"""What turns our masks (True where a token is) into torch's (True where none is).

`B` rows, `N` tokens, `Q` queries, `D` width.
"""

from torch import nn


class Encoder(nn.Module):
    """TransformerEncoderLayer."""

    def __init__(self, width, heads, *, norm_first):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(width, heads, 32, dropout=0.0, batch_first=True, norm_first=norm_first)

    def forward(self, x, mask):
        """Return `[B, N, D]`."""
        return self.layer(x, src_key_padding_mask=~mask)


class SelfAttention(nn.Module):
    """MultiheadAttention."""

    def __init__(self, width, heads, *, add_zero_attn=False):
        super().__init__()
        self.layer = nn.MultiheadAttention(width, heads, batch_first=True, add_zero_attn=add_zero_attn)

    def forward(self, x, mask):
        """Return `[B, N, D]`."""
        return self.layer(x, x, x, key_padding_mask=~mask, need_weights=False)[0]


class Decoder(nn.Module):
    """TransformerDecoderLayer."""

    def __init__(self, width, heads):
        super().__init__()
        self.layer = nn.TransformerDecoderLayer(width, heads, 32, dropout=0.0, batch_first=True)

    def forward(self, x, mask, queries):
        """Return `[B, Q, D]`."""
        return self.layer(queries, x, memory_key_padding_mask=~mask)
