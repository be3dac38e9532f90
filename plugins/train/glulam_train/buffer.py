"""The experience buffer: exactly the tensors that a policy and its losses declared, allocated once.

Legend: `S` segments, `T` steps a segment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from tensordict import TensorDict

from glulam import GlulamError, spec_bytes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tensordict import TensorDictBase
    from torch import Tensor

    from glulam import ExperienceSpec

__all__ = ["ExperienceBuffer"]


class ExperienceBuffer:
    """`[S, T, ...]` for what is stored at each step, `[S, ...]` for what is stored once a segment.

    Args:
        spec: what to store, from `Policy.experience_spec()`.
        segments: S, one segment a row of the environment.
        horizon: T.
        computed: keys that are filled in after the rollout, with `fill`.
        device: where the buffer lies.
    """

    def __init__(
        self,
        spec: ExperienceSpec,
        *,
        segments: int,
        horizon: int,
        computed: Collection[str] = (),
        device: torch.device | str = "cpu",
    ) -> None:
        self.segments, self.horizon, self.device = segments, horizon, torch.device(device)
        self.bytes = spec_bytes(spec, segments=segments, horizon=horizon)
        self.steps: dict[Any, Tensor] = {}
        self.starts: dict[Any, Tensor] = {}
        for key, tensor in spec.items():
            per_step = tensor.per == "step"
            shape = (segments, horizon, *tensor.shape) if per_step else (segments, *tensor.shape)
            store = self.steps if per_step else self.starts
            store[key] = torch.zeros(shape, dtype=getattr(torch, tensor.dtype), device=device)
        self._written = [(key, tensor) for key, tensor in self.steps.items() if key not in computed]

    def __getitem__(self, key: str) -> Tensor:
        """Return what is stored at each step under a key, `[S, T, ...]`."""
        return self.steps[key]

    def __contains__(self, key: object) -> bool:
        return key in self.steps

    def start(self, state: TensorDictBase) -> None:
        """Store what holds before the first step: the memory `[S]`, keys `(layer, tensor)`."""
        for key, tensor in self.starts.items():
            tensor.copy_(_found(state, key, tensor.shape))

    def store(self, t: int, td: TensorDictBase) -> None:
        """Store step t of a rollout, a TensorDict `[S]`.

        Raises:
            GlulamError: if the TensorDict lacks a key, or holds it in another shape than declared.
        """
        for key, tensor in self._written:
            column = tensor[:, t]
            column.copy_(_found(td, key, column.shape))

    def fill(self, key: str, value: Tensor) -> None:
        """Store a computed key for all steps at once, `[S, T]`."""
        self.steps[key].copy_(value)

    def minibatches(
        self, count: int, generator: torch.Generator | None = None
    ) -> Iterator[tuple[TensorDict, TensorDict]]:
        """Yield `count` random parts: steps `[S / count, T]` and what holds before them `[S / count]`.

        Every segment comes exactly once; a segment is never cut. One part is the buffer itself, uncopied.
        """
        if count == 1:
            yield _packed(self.steps, [self.segments, self.horizon]), _packed(self.starts, [self.segments])
            return
        size = self.segments // count
        order = torch.randperm(self.segments, generator=generator)
        for rows in order.view(count, size):
            picked = rows.to(self.device)
            steps = {key: tensor.index_select(0, picked) for key, tensor in self.steps.items()}
            starts = {key: tensor.index_select(0, picked) for key, tensor in self.starts.items()}
            yield _packed(steps, [size, self.horizon]), _packed(starts, [size])


def _packed(tensors: dict[Any, Tensor], batch_size: list[int]) -> TensorDict:
    td = TensorDict({}, batch_size=batch_size)
    for key, tensor in tensors.items():
        td.set(key, tensor)  # nested where the key is a tuple
    return td


def _found(td: TensorDictBase, key: Any, shape: torch.Size) -> Tensor:  # noqa: ANN401 - a key may be nested
    value: Tensor | None = td.get(key, None)
    if value is None or value.shape != shape:
        found = "the rollout does not write it" if value is None else f"it has shape {list(value.shape)}"
        msg = f"{key!r} is to be stored with shape {list(shape)}, but {found}; see Policy.experience_spec"
        raise GlulamError(msg)
    return value
