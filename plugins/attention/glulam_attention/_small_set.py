"""Self-attention over small sets, computed for many sets at once with the batch as the last dim.

Every step is then an elementwise operation on long contiguous vectors, where a kernel for attention would start a
matrix product of a few numbers for each set and head: on a CPU a half to a third of the time, forward and backward.

Legend: `B` rows, `N` vectors of a set, `D` width, `H` heads, `K` = D / H, `Q` first vectors that ask.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["attend_small_sets", "pays"]

LARGEST_SET, FEWEST_ROWS = 16, 64
CHUNK = 512  # rows whose scores stay in a core's cache


def pays(x: Tensor) -> bool:
    """Whether this is quicker than a kernel for attention, for sets `[B, N, D]`."""
    return (
        not torch.compiler.is_compiling()
        and x.device.type == "cpu"
        and x.dtype in {torch.float32, torch.float64}
        and x.shape[1] <= LARGEST_SET
        and x.shape[0] >= FEWEST_ROWS
        and not torch.is_autocast_enabled("cpu")
    )


def attend_small_sets(projected: Tensor, seen: Tensor | None, num_heads: int, count: int) -> Tensor:
    """Return what the first `count` vectors of each set read from all of it, `[B, Q, D]`.

    Args:
        projected: queries, keys and values side by side, `[B, N, 3 D]`.
        seen: `[B, N]`, bool, True at vectors that may be read, at least one a set; None where all may.
        num_heads: H.
        count: Q.
    """
    parts = torch.split(projected, CHUNK)
    masks = (None,) * len(parts) if seen is None else torch.split(seen, CHUNK)
    attend: Any = _SmallSets.apply  # torch ships it without types
    read: list[Tensor] = [attend(part, mask, num_heads, count)[0] for part, mask in zip(parts, masks, strict=True)]
    return read[0] if len(read) == 1 else torch.cat(read)


class _SmallSets(torch.autograd.Function):
    """Attention with the batch last; beside the result it returns what its backward needs."""

    generate_vmap_rule = True

    @staticmethod
    def forward(projected: Tensor, seen: Tensor | None, num_heads: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
        turned = projected.permute(1, 2, 0).contiguous()  # (N, 3 D, B)
        query, key, value = _split(turned, num_heads)  # (N, H, K, B) each
        query = query[:count] * _scale(query)
        weights = _products(query, key)  # (Q, N, H, B)
        if seen is not None:
            weights.masked_fill_(~seen.t()[:, None], -torch.inf)
        weights = weights.softmax(1)
        read = _mixtures(weights, value)  # (Q, H, K, B)
        return read.permute(3, 0, 1, 2).flatten(2), turned, weights

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:  # noqa: ANN401 - torch's own type
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(*output[1:])
        ctx.num_heads = inputs[2]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor | None, *_: None) -> tuple[Tensor | None, None, None, None]:  # noqa: ANN401
        if grad is None:
            return None, None, None, None
        turned, weights = ctx.saved_tensors
        query, key, value = _split(turned, ctx.num_heads)
        count, scale = weights.shape[0], _scale(query)
        grad = grad.permute(1, 2, 0).contiguous().view(count, *query.shape[1:])  # (Q, H, K, B)
        # d softmax = weights * (d weights - sum of weights * d weights)
        scores = _products(grad, value)  # (Q, N, H, B)
        scores.sub_((scores * weights).sum(1, keepdim=True)).mul_(weights)
        found = torch.zeros_like(turned)
        query_grad, key_grad, value_grad = _split(found, ctx.num_heads)
        query_grad[:count] = _mixtures(scores, key).mul_(scale)
        key_grad.copy_(_mixtures(scores.transpose(0, 1), query[:count]).mul_(scale))
        value_grad.copy_(_mixtures(weights.transpose(0, 1), grad))
        return found.permute(2, 0, 1), None, None, None


def _split(turned: Tensor, num_heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return queries, keys and values (`[N, H, K, B]` each) of `[N, 3 D, B]`."""
    N, width, B = turned.shape
    return turned.view(N, 3, num_heads, width // (3 * num_heads), B).unbind(1)  # type: ignore[return-value]


def _scale(query: Tensor) -> float:
    return query.shape[2] ** -0.5  # type: ignore[no-any-return]


def _products(query: Tensor, key: Tensor) -> Tensor:
    """Return the inner products `[Q, N, H, B]` of `[Q, H, K, B]` and `[N, H, K, B]`."""
    found = query[:, None, :, 0] * key[:, :, 0]
    for number in range(1, query.shape[2]):
        found.addcmul_(query[:, None, :, number], key[:, :, number])
    return found


def _mixtures(weights: Tensor, value: Tensor) -> Tensor:
    """Return sums `[Q, H, K, B]` of `[N, H, K, B]` with weights `[Q, N, H, B]`."""
    found = weights[:, 0, :, None] * value[0]
    for number in range(1, value.shape[0]):
        found.addcmul_(weights[:, number, :, None], value[number])
    return found
