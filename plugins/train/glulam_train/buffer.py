"""The experience buffer: exactly the tensors that a policy and its losses declared, allocated once.

Legend: `B` rows of the environment, `H` steps of a rollout, `T` steps of a segment, `S` = B x H / T segments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import torch
from tensordict import TensorDict

from glulam import GlulamError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tensordict import TensorDictBase
    from torch import Tensor

    from glulam import ExperienceSpec

__all__ = ["ExperienceBuffer", "Minibatch"]

ALL = slice(None)


@attrs.frozen(eq=False)
class Minibatch:
    """Some segments of a buffer.

    Attributes:
        steps: what is stored a step, `[S, T]`.
        starts: what is stored a segment, `[S]`; the memory before its first step under `(layer, tensor)`.
        following: what is stored of the step after each, `[S, T]`.
    """

    steps: TensorDict
    starts: TensorDict
    following: TensorDict

    def after(self, count: int) -> Minibatch:
        """Return the same without the first steps; what holds at the start is not changed."""
        return attrs.evolve(self, steps=self.steps[:, count:], following=self.following[:, count:])

    def stored(self) -> TensorDict:
        """Return all of it as losses read it, a TensorDict `[S]`."""
        td = TensorDict(dict(self.steps.items()), batch_size=self.steps.batch_size[:1])
        for key, value in self.starts.items():
            if isinstance(value, torch.Tensor):  # and no memory, whose layer may be called as a key is
                td.set(key, value)
        return td.set("next", self.following) if len(self.following.keys()) else td


class ExperienceBuffer:
    """`[B, H, ...]` for what is stored at each step, `[B, H / T, ...]` for what is stored once a segment.

    Args:
        spec: what to store, from `Policy.experience_spec()`.
        rows: B.
        horizon: H.
        segment: T, which divides H; H when None.
        computed: keys that are filled in after the rollout, with `fill`.
        following: keys of which one step more is stored, so that minibatches hold the next step's too.
        device: where the buffer lies.
        to: where minibatches are used; where the buffer lies when None.
    """

    def __init__(  # noqa: PLR0913 - each is an independent, named choice
        self,
        spec: ExperienceSpec,
        *,
        rows: int,
        horizon: int,
        segment: int | None = None,
        computed: Collection[str] = (),
        following: Collection[str] = (),
        device: torch.device | str = "cpu",
        to: torch.device | str | None = None,
    ) -> None:
        self.rows, self.horizon, self.device = rows, horizon, torch.device(device)
        self.to = self.device if to is None else torch.device(to)
        self.segment = segment or horizon
        if horizon % self.segment:
            msg = f"segments of {self.segment} steps do not divide the horizon of {horizon}"
            raise GlulamError(msg)
        self.cuts = horizon // self.segment
        self.steps: dict[Any, Tensor] = {}
        self.starts: dict[Any, Tensor] = {}
        self.following: dict[Any, Tensor] = {}
        for key, tensor in spec.items():
            dtype = getattr(torch, tensor.dtype)
            if tensor.per == "segment":
                self.starts[key] = torch.zeros((rows, self.cuts, *tensor.shape), dtype=dtype, device=device)
                continue
            more = int(key in following)
            whole = torch.zeros((rows, horizon + more, *tensor.shape), dtype=dtype, device=device)
            self.steps[key] = whole[:, :horizon]
            if more:
                self.following[key] = whole[:, 1:]
        self._written = [(key, tensor) for key, tensor in self.steps.items() if key not in computed]

    @property
    def segments(self) -> int:
        """S."""
        return self.rows * self.cuts

    @property
    def bytes(self) -> int:
        """What the buffer takes up."""
        return sum(tensor.untyped_storage().nbytes() for tensor in (*self.steps.values(), *self.starts.values()))

    def __getitem__(self, key: str) -> Tensor:
        """Return what is stored at each step under a key, `[B, H, ...]`."""
        return self.steps[key]

    def __contains__(self, key: object) -> bool:
        return key in self.steps

    def begins_at(self, t: int) -> bool:
        """Whether a segment begins at step t."""
        return t % self.segment == 0

    def start(self, t: int, td: TensorDictBase, state: TensorDictBase, rows: slice = ALL) -> None:
        """Store what holds at the start of the segments that begin at step t.

        Args:
            t: the step.
            td: the step itself, `[B]`, as given to `store`.
            state: the memory before it, `[B]`, keys `(layer, tensor)`.
            rows: those that are meant, where they are not all B.

        Raises:
            GlulamError: if a key that is to be stored is missing, or of another shape than its spec.
        """
        for key, tensor in self.starts.items():
            column = tensor[rows, t // self.segment]
            column.copy_(_found(state if isinstance(key, tuple) else td, key, column.shape))

    def store(self, t: int, td: TensorDictBase, rows: slice = ALL) -> None:
        """Store step t of a rollout, a TensorDict `[B]`, of some rows or all.

        Raises:
            GlulamError: if the TensorDict lacks a key, or holds it in another shape than declared.
        """
        for key, tensor in self._written:
            column = tensor[rows, t]
            column.copy_(_found(td, key, column.shape))

    def finish(self, td: TensorDictBase, rows: slice = ALL) -> None:
        """Store of the step after the last one what the next step's is wanted of, a TensorDict `[B]`.

        Raises:
            GlulamError: as for `start`.
        """
        for key, tensor in self.following.items():
            column = tensor[rows, -1]
            column.copy_(_found(td, key, column.shape))

    def fill(self, key: str, value: Tensor) -> None:
        """Store a computed key for all steps at once, `[B, H]`."""
        self.steps[key].copy_(value)

    def minibatches(self, count: int, generator: torch.Generator | None = None) -> Iterator[Minibatch]:
        """Yield `count` random parts of `S / count` segments each.

        Every segment comes exactly once; a segment is never cut. One part of whole rows is the buffer itself,
        uncopied where it is used.
        """
        if count == 1 and self.cuts == 1:
            starts = {key: tensor[:, 0] for key, tensor in self.starts.items()}
            yield self._part(self.steps, starts, self.following, self.rows)
            return
        size = self.segments // count
        order = torch.randperm(self.segments, generator=generator, device="cpu")
        for picked in order.view(count, size):
            place = picked.to(self.device)
            row, cut = place // self.cuts, place % self.cuts
            starts = {key: tensor[row, cut] for key, tensor in self.starts.items()}
            steps, following = (
                {key: self._cut(tensor, row, cut) for key, tensor in kept.items()}
                for kept in (self.steps, self.following)
            )
            yield self._part(steps, starts, following, size)

    def _cut(self, tensor: Tensor, row: Tensor, cut: Tensor) -> Tensor:
        if self.cuts == 1:
            return tensor.index_select(0, row)
        return torch.unflatten(tensor, 1, (self.cuts, self.segment))[row, cut]

    def _sent(self, tensor: Tensor) -> Tensor:
        """Return a tensor of a minibatch where it is used; to a GPU it goes by pages that stay, without waiting."""
        if self.to == self.device:
            return tensor
        if self.to.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self.to, non_blocking=True)

    def _part(
        self, steps: dict[Any, Tensor], starts: dict[Any, Tensor], following: dict[Any, Tensor], size: int
    ) -> Minibatch:
        batch = [size, self.segment]
        return Minibatch(self._packed(steps, batch), self._packed(starts, [size]), self._packed(following, batch))

    def _packed(self, tensors: dict[Any, Tensor], batch_size: list[int]) -> TensorDict:
        td = TensorDict({}, batch_size=batch_size)
        for key, tensor in tensors.items():
            td.set(key, self._sent(tensor))  # nested where the key is a tuple
        return td


def _found(td: TensorDictBase, key: Any, shape: torch.Size) -> Tensor:  # noqa: ANN401 - a key may be nested
    value: Tensor | None = td.get(key, None)
    if value is None or value.shape != shape:
        found = "the rollout does not write it" if value is None else f"it has shape {list(value.shape)}"
        msg = f"{key!r} is to be stored with shape {list(shape)}, but {found}; see Policy.experience_spec"
        raise GlulamError(msg)
    return value
