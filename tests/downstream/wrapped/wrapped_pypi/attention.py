"""What hands masks to x-transformers by name: `B` rows, `N` tokens, `Q` queries, `D` width."""

import x_transformers
from torch import nn


class Masked(nn.Module):
    """A stack by its name."""

    def __init__(self, kind, **options):
        super().__init__()
        self.stack = getattr(x_transformers, kind)(**options)

    def forward(self, x, mask):
        """Return `[B, N, D]`."""
        return self.stack(x, mask=mask)


class CrossAttention(nn.Module):
    """CrossAttender."""

    def __init__(self, **options):
        super().__init__()
        self.stack = x_transformers.CrossAttender(**options)

    def forward(self, x, mask, queries):
        """Return `[B, Q, D]`."""
        return self.stack(queries, context=x, context_mask=mask)


class Continuous(nn.Module):
    """ContinuousTransformerWrapper."""

    def __init__(self, in_dim, out_dim, **options):
        super().__init__()
        encoder = x_transformers.Encoder(**options)
        self.wrapper = x_transformers.ContinuousTransformerWrapper(
            dim_in=in_dim, dim_out=out_dim, max_seq_len=64, attn_layers=encoder
        )

    def forward(self, x, mask):
        """Return `[B, N, out_dim]`."""
        return self.wrapper(x, mask=mask)
