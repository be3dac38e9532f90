"""The processes that train one policy together, over `torch.distributed`; one process alone is the simplest case.

A *rank* is one of them. Each plays environments of its own; what is learned from is the experience of all.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self, TypeVar

import torch
from torch import distributed
from torch.distributed.rendezvous import rendezvous

from glulam import GlulamError
from glulam_train.meeting import fresh_part

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torch import Tensor

__all__ = ["RankError", "Ranks"]

T = TypeVar("T")

NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
JOINING = 120.0  # seconds for all ranks to be there, once torchrun has started them


class RankError(GlulamError):
    """An error whose message names the rank that it is about."""


class Ranks:
    """How this process works with the others; alone every method is the identity and costs nothing.

    All ranks must call the methods in the same order. An error that only one may meet belongs inside `together`,
    which raises it on all; a rank that ends or is cut off is a `RankError` on the others.

    Args:
        rank: the number of this process, from 0; that one writes the files.
        size: how many there are.
        local_rank: its number on this machine, which picks its GPU.
    """

    def __init__(self, rank: int = 0, size: int = 1, local_rank: int = 0) -> None:
        self.rank, self.size, self.local_rank = rank, size, local_rank
        self._group: Any = None  # all ranks, with the time limit of torch.distributed's default group

    @classmethod
    def alone(cls) -> Self:
        """Return the one rank of a process by itself."""
        return cls()

    @classmethod
    def from_environment(cls) -> Self:
        """Join the other processes that torchrun, or whoever sets its variables, has started; alone without them.

        Numbers go by gloo on the CPU and by NCCL on GPUs.

        Raises:
            GlulamError: if the others cannot be reached.
        """
        if any(name not in os.environ for name in NEEDED) or os.environ["WORLD_SIZE"] == "1":
            return cls.alone()
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        try:
            limit = timedelta(seconds=JOINING)
            store, _, _ = next(rendezvous("env://", timeout=limit))
            store = fresh_part(store, rank, size, JOINING)
            distributed.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=limit)
        except (RuntimeError, ValueError) as error:
            where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
            msg = f"rank {rank} of {size} cannot meet the others at {where}: {_first_line(error)}"
            if "EADDRINUSE" in str(error) or "address already in use" in str(error):
                msg += "; another program has that port: name a free one with torchrun's --master-port"
            raise RankError(msg) from error
        return cls(rank, size, int(os.environ.get("LOCAL_RANK", rank)))

    @property
    def is_first(self) -> bool:
        """Whether this is the rank that writes files and talks to the user."""
        return self.rank == 0

    def use_timeout(self, seconds: float) -> None:
        """Take a rank that does not answer for so many seconds for lost, from now on.

        Raises:
            RankError: if a rank does not answer in time, or its process has ended.
        """
        if self.size > 1:
            with self._contact():
                self._group = distributed.new_group(timeout=timedelta(seconds=seconds))

    def device(self, name: str) -> str:
        """Return the device of this rank where settings name one for all: the GPUs of a machine are dealt out.

        Raises:
            GlulamError: if all ranks would use one GPU.
        """
        if self.size == 1 or torch.device(name).type != "cuda":
            return name
        if name != "cuda":
            msg = f"device is {name!r}, which all ranks of a machine would share: write cuda, and each takes its own"
            raise GlulamError(msg)
        shown = torch.cuda.device_count()  # by launchers that give each process a GPU of its own, one
        return f"cuda:{self.local_rank if shown > 1 else 0}"

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum of a tensor `[...]` over all ranks, the same to the bit on each.

        Raises:
            RankError: if a rank does not answer in time, or its process has ended.
        """
        if self.size == 1:
            return tensor
        total = tensor.detach().clone()
        with self._contact():
            distributed.all_reduce(total, group=self._group)
        return total

    def sum_gradients(self, parameters: Sequence[Tensor]) -> bool:
        """Replace gradients, `[...]` each, by their sums over all ranks; return whether those are finite.

        One that a rank lacks counts as zeros; one that all lack stays None. Where a sum is not finite all gradients
        are left as each rank made them, to find out whose fault it is.
        """
        if self.size == 1:
            return True
        buckets = [(weights, self._summed(weights)) for weights in _by_dtype(parameters)]
        if not all(bool(total.isfinite().all()) for _, total in buckets):
            return False
        for weights, total in buckets:
            sizes = [weight.numel() for weight in weights]
            *sums, holders = torch.split(total, [*sizes, len(weights)])
            for weight, part, held in zip(weights, sums, holders.tolist(), strict=True):
                if held:
                    weight.grad = torch.empty_like(weight) if weight.grad is None else weight.grad
                    weight.grad.copy_(part.view_as(weight))  # laid out as the weight is, channels-last say
        return True

    def _summed(self, weights: Sequence[Tensor]) -> Tensor:
        """Return the sums of gradients, flat, and after them how many ranks hold each."""
        parts = [(torch.zeros_like(w) if w.grad is None else w.grad).reshape(-1) for w in weights]
        held = torch.tensor([float(w.grad is not None) for w in weights], dtype=parts[0].dtype, device=parts[0].device)
        return self.sum(torch.cat([*parts, held]))

    def shares(self, counts: Sequence[float]) -> list[float]:
        """Return what part of all ranks' counts is this rank's, for each; equal parts of nothing."""
        if self.size == 1:
            return [1.0 for _ in counts]
        totals = self.sum(torch.tensor(counts, dtype=torch.float64)).tolist()
        return [own / total if total else 1 / self.size for own, total in zip(counts, totals, strict=True)]

    def moments(self, values: Tensor) -> tuple[int, float, float]:
        """Return number, mean and variance (of the whole population) of the values `[n]` of all ranks."""
        count = values.numel()
        mean, variance = (float(values.mean()), float(values.var(correction=0))) if count else (0.0, 0.0)
        if self.size == 1:
            return count, mean, variance
        mine = torch.tensor([count, mean, variance], dtype=torch.float64)
        counts, means, variances = torch.stack(self.gather_tensors(mine)).unbind(1)  # (ranks,)
        total = counts.sum()
        if not total:
            return 0, 0.0, 0.0
        middle = (counts * means).sum() / total
        spread = (counts * (variances + (means - middle).square())).sum() / total
        return int(total), float(middle), float(spread)

    def gather_tensors(self, tensor: Tensor) -> list[Tensor]:
        """Return the tensor `[...]` of each rank, in order; shapes are alike.

        Raises:
            RankError: if a rank does not answer in time, or its process has ended.
        """
        if self.size == 1:
            return [tensor]
        mine = _bytes(tensor.contiguous())
        found = [torch.empty_like(mine) for _ in range(self.size)]
        with self._contact():
            distributed.all_gather(found, mine, group=self._group)
        return [part.view(tensor.dtype).view(tensor.shape) for part in found]

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite tensors, each `[...]`, with those of the first rank.

        Raises:
            RankError: if a rank does not answer in time, or its process has ended.
        """
        if self.size == 1:
            return
        with torch.no_grad(), self._contact():
            for tensor in tensors:
                whole = tensor.detach().contiguous()
                distributed.broadcast(_bytes(whole), 0, group=self._group)
                tensor.copy_(whole)

    def gather(self, value: T) -> list[T]:
        """Return a plain value of each rank, in order.

        Raises:
            RankError: if a rank does not answer in time, or its process has ended.
        """
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        with self._contact():
            distributed.all_gather_object(found, value, group=self._group)
        return found

    def collect(self, value: T) -> list[T]:
        """Return a value of each rank, in order, on the first; nothing on the others.

        Raises:
            RankError: if a rank does not answer in time, or its process has ended.
        """
        if self.size == 1:
            return [value]
        found: list[Any] | None = [None] * self.size if self.is_first else None
        with self._contact():
            distributed.gather_object(value, found, dst=0, group=self._group)
        return found or []

    def deal(self, values: Sequence[T]) -> T:
        """Give each rank one of the values that the first has.

        Raises:
            RankError: if a rank does not answer in time, or its process has ended.
        """
        if self.size == 1:
            return values[0]
        dealt: list[Any] = [None]
        with self._contact():
            distributed.scatter_object_list(dealt, list(values) if self.is_first else None, src=0, group=self._group)
        value: T = dealt[0]
        return value

    def tell(self, value: T) -> T:
        """Return the first rank's value on all.

        Raises:
            RankError: if a rank does not answer in time, or its process has ended.
        """
        if self.size == 1:
            return value
        told: list[Any] = [value]
        with self._contact():
            distributed.broadcast_object_list(told, src=0, group=self._group)
        found: T = told[0]
        return found

    @contextmanager
    def together(self) -> Iterator[None]:
        """Raise on all ranks the error that one meets inside; no rank may speak with the others there.

        Raises:
            RankError: naming the first rank that met one, unless this process is alone.
        """
        problem: GlulamError | None = None
        try:
            yield
        except GlulamError as error:
            if self.size == 1 or isinstance(error, RankError):
                raise
            problem = error
        if self.size == 1 or not self.sum(torch.tensor([float(problem is not None)])).item():
            return
        told = self.gather(None if problem is None else str(problem))
        rank, text = next((rank, text) for rank, text in enumerate(told) if text is not None)
        msg = f"rank {rank}: {text}"
        raise RankError(msg) from problem

    def close(self) -> None:
        """Take leave of the others, once all is done."""
        if self.size > 1 and distributed.is_initialized():
            with suppress(RuntimeError):
                distributed.destroy_process_group()

    @contextmanager
    def _contact(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            msg = (
                f"rank {self.rank} lost contact with the others: {_first_line(error)}; look for the error of the rank "
                "that failed first. The last checkpoint is intact: torchrun with --max-restarts goes on from it by "
                "itself, and so does glulam train --resume FOLDER"
            )
            raise RankError(msg) from error


def _by_dtype(parameters: Iterable[Tensor]) -> list[list[Tensor]]:
    kinds: dict[torch.dtype, list[Tensor]] = {}
    for weight in parameters:
        kinds.setdefault(weight.dtype, []).append(weight)
    return list(kinds.values())


def _bytes(tensor: Tensor) -> Tensor:
    """Return the memory of a contiguous tensor as uint8 `[n]`, which every backend carries; gloo knows no int16."""
    return tensor.view(-1).view(torch.uint8)


def _first_line(error: Exception) -> str:
    """Return what torch says happened, without where in its source that is and what it would do about it."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return re.sub(r"\[\S*\.(cc|cpp):\d+\] ", "", line).partition(". This is typically")[0]
