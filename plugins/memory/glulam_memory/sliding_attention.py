"""Causal self-attention over the last steps of an episode, with keys and values as its state.

The blocks are pre-norm (Xiong et al. 2020, arXiv:2002.04745); time enters as a learned bias a head and age (Raffel et
al. 2020, arXiv:1910.10683, without the sharing of far ages).

Legend: `B` rows, `T` steps, `W` steps of the window, `C` = W - 1 cached steps, `S` = C + T, `N` layers, `A` heads,
`D` input width, `H` hidden width.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from glulam import MemoryLayer, State, TensorSpec, mask_state
from glulam_memory._shapes import check_shapes

__all__ = ["SlidingAttention"]

MLP_RATIO = 4


class SlidingAttention(MemoryLayer):
    """A linear map, then blocks of attention over the last `window` steps of the episode and an MLP.

    Its state is `keys` and `values`, `[N, C, H]` each, the newest last and zero where there is none, and `filled`,
    how many there are.

    Args:
        in_dim: width D of the input.
        hidden_size: width H of the blocks and of the output.
        num_layers: blocks N.
        num_heads: heads A; must divide H.
        window: steps W that a query sees in each block, the present one among them.
    """

    kind: ClassVar[str] = "sliding_attention"

    def __init__(self, in_dim: int, hidden_size: int, *, num_layers: int, num_heads: int, window: int) -> None:
        super().__init__()
        self.in_dim, self.hidden_size, self.num_layers, self.window = in_dim, hidden_size, num_layers, window
        cache = (num_layers, window - 1, hidden_size)
        self.state_shapes: dict[str, tuple[int, ...]] = {"keys": cache, "values": cache, "filled": ()}
        self.embed = nn.Linear(in_dim, hidden_size)
        self.blocks = nn.ModuleList(_Block(hidden_size, num_heads, window) for _ in range(num_layers))

    def state_spec(self) -> dict[str, TensorSpec]:
        """Return `keys` and `values`, `[N, C, H]` each, and `filled`, a scalar."""
        return {name: TensorSpec(shape, "float" if shape else "int64") for name, shape in self.state_shapes.items()}

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the output `[B, H]` of one step from `x` (`[B, D]`), and the state after it.

        Raises:
            GlulamError: if a shape is wrong.
        """
        check_shapes(self, x, state, rank=2)
        y, state = self._run(x[:, None], torch.zeros_like(x[:, :1], dtype=torch.bool), state)
        return y[:, 0], state

    def sequence(self, x: Tensor, reset: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the outputs `[B, T, H]` from `x` (`[B, T, D]`), and the state after the last step.

        Args:
            x: inputs, `[B, T, D]`.
            reset: `[B, T]`, bool: nothing from before step t is seen from there on where `reset[:, t]` holds.
            state: before the first step, its reset not yet applied.

        Raises:
            GlulamError: if a shape is wrong.
        """
        check_shapes(self, x, state, rank=3, reset=reset)
        return self._run(x, reset, mask_state(state, reset[:, 0]))

    def _run(self, x: Tensor, reset: Tensor, state: State) -> tuple[Tensor, State]:
        cached, steps = self.window - 1, x.shape[1]
        # The episode of each step, the cache being of the one under way, 0, and its empty places of none.
        held = torch.arange(cached, 0, -1, device=x.device) <= state["filled"][:, None]  # (B, C)
        episode = torch.cat([held.long() - 1, reset.long().cumsum(1)], 1)  # (B, S)
        age = torch.arange(steps, device=x.device)[:, None] + cached - torch.arange(cached + steps, device=x.device)
        unseen = (episode[:, cached:, None] != episode[:, None]) | (age < 0) | (age > cached)  # (B, T, S)
        age = age.clamp(0, cached)  # (T, S)
        kept = episode[:, steps:] == episode[:, -1:]  # (B, C)
        y, keys, values = self.embed(x), [], []
        for layer, block in enumerate(self.blocks):
            y, key, value = block(y, state["keys"][:, layer], state["values"][:, layer], unseen, age)  # (B, S, H)
            keys.append(key[:, steps:])
            values.append(value[:, steps:])
        caches = (torch.stack(part, 1).masked_fill(~kept[:, None, :, None], 0) for part in (keys, values))
        return y, dict(zip(("keys", "values"), caches, strict=True)) | {"filled": kept.sum(1)}


class _Block(nn.Module):
    """Pre-norm attention with a bias a head and age, and a pre-norm GELU MLP, each added to its input."""

    def __init__(self, width: int, num_heads: int, window: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.age_bias = nn.Parameter(torch.zeros(num_heads, window))
        self.out = nn.Linear(width, width)
        hidden = MLP_RATIO * width
        self.mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, unseen: Tensor, age: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs (`[B, T, H]`) and all keys and values (`[B, S, H]`), the cached ones first."""
        query, key, value = self.query_key_value(self.norm(x)).chunk(3, -1)
        keys, values = torch.cat([keys, key], 1), torch.cat([values, value], 1)
        bias = self.age_bias[:, age].masked_fill(unseen[:, None], -torch.inf)  # (B, A, T, S)
        attended = scaled_dot_product_attention(
            self._heads(query), self._heads(keys), self._heads(values), attn_mask=bias
        )  # (B, A, T, H / A)
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        return x + self.mlp(x), keys, values

    def _heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.num_heads, x.shape[2] // self.num_heads).transpose(1, 2)
