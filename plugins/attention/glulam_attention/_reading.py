"""What queries read from a set of tokens, in the way that is quickest.

Legend: `B` rows, `N` tokens, `R` distinct ones, `W` their width, `Q` queries, `H` heads, `K` width of a head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import linear

from glulam import Repeated
from glulam_attention._heads import attend, split_heads, visible

if TYPE_CHECKING:
    from glulam_attention._heads import Visible

__all__ = ["Folded", "Projected", "Reading"]

REGISTER = 16  # numbers that a head should have at least
WIDEST = 80  # of scores, so that their exponentials stay far above the smallest number of float32
WORTH = 6  # tokens for each distinct one from which on a table of what queries make of them pays


class Reading:
    """Attention of all layers to one set of tokens, with the same keys and values.

    Args:
        tokens: `[B, N, W]`.
        mask: `[B, N]`, bool, True at real tokens; None where all are.
        key: the map of keys, `[H K, W]`.
        value: the map of values, `[H K, W]`.
        num_heads: H.
    """

    def __init__(
        self, tokens: Tensor | Repeated, mask: Tensor | Repeated | None, key: Tensor, value: Tensor, num_heads: int
    ) -> None:
        self.tokens, self.mask = tokens, mask
        self.key, self.value, self.num_heads = key, value, num_heads
        self.ready = False  # the tensors of all tokens are made once, for the first layer that needs them

    def __call__(self, query: Tensor) -> Tensor:
        """Return what queries (`[B, H, Q, K]`, or `[1, ...]` where those of all rows are alike) read, `[B, H, Q, K]`.

        A row without real tokens reads zeros.
        """
        if query.shape[0] == 1 and isinstance(self.tokens, Repeated):
            read = _shared(query[0], self.tokens, self.mask, self.maps)
            if read is not None:
                return read
        if not self.ready:
            self.ready = True
            mask = self.mask.dense() if isinstance(self.mask, Repeated) else self.mask
            self.seen: Visible | None = None if mask is None else visible(mask)
            self.prepare()
        return self.each(query)

    @property
    def maps(self) -> Tensor:
        """The maps of keys and values as one, which reads the tokens once: `[2 H K, W]`."""
        return torch.cat((self.key, self.value))

    def prepare(self) -> None:
        """Make what `each` needs of all tokens."""
        raise NotImplementedError

    def each(self, query: Tensor) -> Tensor:
        """Return what the queries of each row read."""
        raise NotImplementedError


class Projected(Reading):
    """Keys and values of all tokens.

    On a CPU narrow heads are taken together until they fill a vector register, each query with zeros for the other
    heads of its group: fewer and larger products, a fifth of the time less.
    """

    def prepare(self) -> None:
        width, self.group = self.key.shape[0] // self.num_heads, 1
        if self.key.device.type == "cpu":
            while self.num_heads % (2 * self.group) == 0 and 2 * self.group * width <= REGISTER:
                self.group *= 2
        maps = self.maps
        if isinstance(self.tokens, Repeated):
            projected = self.tokens.map(lambda rows: linear(rows, maps)).dense()  # (B, N, 2 H K)
        else:
            projected = linear(self.tokens, maps)
        parts = projected.chunk(2, -1)
        self.keys, self.values = (split_heads(part, self.num_heads // self.group) for part in parts)
        # (B, H / G, N, G K)

    def each(self, query: Tensor) -> Tensor:
        query, group = query.expand(self.keys.shape[0], -1, -1, -1), self.group
        if group == 1:
            return attend(query, self.keys, self.values, self.seen)
        B, H, Q, K = query.shape
        own = torch.eye(group, dtype=query.dtype, device=query.device).view(group, 1, group, 1)
        wide = query.view(B, H // group, group, Q, 1, K) * own  # (B, H / G, G, Q, G, K)
        wide = wide.reshape(B, H // group, group * Q, group * K)
        read = attend(wide, self.keys, self.values, self.seen, K**-0.5).reshape(B, H // group, group, Q, group, K)
        return read.diagonal(dim1=2, dim2=4).movedim(-1, 2).flatten(1, 2)  # (B, H, Q, K)


class Folded(Reading):
    """The maps of keys and values applied to queries and results instead.

    Scores are q . (K x) = (K^T q) . x and results sum a (V x) = V (sum a x), so no token is projected; with few
    queries that takes half the time.
    """

    def prepare(self) -> None:
        self.all = self.tokens.dense() if isinstance(self.tokens, Repeated) else self.tokens  # (B, N, W)

    def each(self, query: Tensor) -> Tensor:
        tokens = self.all
        key, value = (part.view(self.num_heads, -1, tokens.shape[-1]) for part in (self.key, self.value))  # (H, K, W)
        folded = torch.einsum("bhqk,hkw->bhqw", query, key)  # (1 or B, H, Q, W)
        folded = folded.flatten(1, 2).unsqueeze(1).expand(tokens.shape[0], -1, -1, -1)  # one head of H * Q
        scale = query.shape[-1] ** -0.5
        mixed = attend(folded, tokens.unsqueeze(1), tokens.unsqueeze(1), self.seen, scale)
        mixed = mixed.view(tokens.shape[0], *query.shape[1:3], tokens.shape[-1])  # (B, H, Q, W)
        return torch.einsum("bhqw,hkw->bhqk", mixed, value)  # (B, H, Q, K)


def _shared(query: Tensor, tokens: Repeated, mask: Tensor | Repeated | None, maps: Tensor) -> Tensor | None:
    """Return what queries of all rows (`[H, Q, K]`) read, `[B, H, Q, K]`, or None where this is not the quicker way.

    What such a query makes of a token is the same in every row. With the exponentials e of its scores as weights a row
    reads (sum of e v) / (sum of e) over its tokens, and e v and e are looked up in a table.
    """
    index = tokens.index
    masked = isinstance(mask, Repeated) and mask.index is index
    if WORTH * len(tokens.table) > index.row.numel() or not (mask is None or masked):
        return None
    heads, _, width = query.shape
    projected = linear(tokens.table, maps)
    key, value = (part.view(-1, heads, width) for part in projected.chunk(2, -1))  # (R, H, K)
    scores = torch.einsum("rhk,hqk->rhq", key, query * width**-0.5)  # (R, H, Q)
    most = scores.detach().amax(0)  # (H, Q)
    if bool((most - scores.detach().amin(0) > WIDEST).any()):
        return None
    ones = torch.cat((value, torch.ones_like(value[..., :1])), -1)  # (R, H, K + 1)
    if isinstance(mask, Repeated):
        ones = ones.where(mask.table[:, None, None], 0)
    table = (scores - most).exp().unsqueeze(-1) * ones.unsqueeze(2)  # (R, H, Q, K + 1): e v, and e
    sums = Repeated(table, index).sums()  # (B, H, Q, K + 1)
    total, weight = sums[..., :-1], sums[..., -1:]
    return total / weight.masked_fill(weight == 0, 1)
