"""How the ranks of one start find each other, whatever earlier ones have left."""

from __future__ import annotations

import time
import uuid
from typing import Any

from torch.distributed.distributed_c10d import PrefixStore

__all__ = ["fresh_part"]

POLLING = 0.02  # seconds


def fresh_part(store: Any, rank: int, size: int, seconds: float) -> Any:  # noqa: ANN401 - torch names no type for all stores
    """Return a part of a store of which all ranks of this start know, and none of an earlier one.

    torchrun gives restarted workers the store of those before, and with it the addresses of processes that are dead.
    So each rank writes what it alone knows, and takes the name of the part from an answer to just that; the first
    rank answers whatever it finds, until all have taken note.

    Args:
        store: of torch.distributed, with the time limit of those that wait for the first rank.
        rank: of this process.
        size: how many there are.
        seconds: how long the first rank waits for the others.

    Raises:
        RuntimeError: if one does not come in time.
    """
    own = uuid.uuid4().hex
    if rank:
        store.set(f"glulam/hello/{rank}", own)
        name = store.get(f"glulam/answer/{own}").decode()  # waits for it
        store.set(f"glulam/{name}/{rank}", "here")
        return PrefixStore(name, store)
    deadline = time.monotonic() + seconds
    missing = list(range(1, size))
    while missing:
        if time.monotonic() > deadline:
            msg = f"rank {missing[0]} did not come within {seconds:g} seconds"
            raise RuntimeError(msg)
        for other in missing:
            if store.check([f"glulam/hello/{other}"]):
                store.set(f"glulam/answer/{store.get(f'glulam/hello/{other}').decode()}", own)
        time.sleep(POLLING)
        missing = [other for other in missing if not store.check([f"glulam/{own}/{other}"])]
    return PrefixStore(own, store)
