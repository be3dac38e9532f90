"""What the laws have in common: comparing tensors by key, and whom a law does not concern."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import torch
from tensordict.nn import TensorDictModuleBase

from glulam.layouts import ActionSpec
from glulam.memory import MemoryLayer
from glulam.testing._laws import BrokenLawError, expect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from glulam.environment import EnvSpec
    from glulam.testing._case import Case, Tensors

__all__ = [
    "clones",
    "close",
    "draws_numbers",
    "elsewhere",
    "equal",
    "finite",
    "is_index",
    "is_native",
    "no_memory",
    "random_layer",
    "reads_nothing",
    "run",
]

RTOL, ATOL = 1e-4, 1e-5


def run(case: Case, bound: object, inputs: Mapping[str, Tensor], seed: int = 0) -> Tensors:
    """Call a layer with torch's random numbers at a given place, and without a graph."""
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return case.call(bound, inputs)  # type: ignore[arg-type]


def clones(tensors: Mapping[str, Tensor]) -> Tensors:
    """Return copies."""
    return {key: value.clone() for key, value in tensors.items()}


def close(
    found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], what: str, rtol: float = RTOL, atol: float = ATOL
) -> None:
    """Expect tensors to be the same but for rounding."""
    for key, value in wanted.items():
        other = found[key]
        if other.shape != value.shape or other.dtype != value.dtype:
            msg = f"{what}: {key!r} is {other.dtype} {list(other.shape)}, expected {value.dtype} {list(value.shape)}"
            raise BrokenLawError(msg)
        a, b = other.double(), value.double()
        if not torch.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True):
            gap = (a - b).abs().nan_to_num(torch.inf)
            msg = (
                f"{what}: {key!r} differs by {float(gap.max()):.3g} where it is {float(b.flatten()[gap.argmax()]):.3g}"
            )
            raise BrokenLawError(msg)


def equal(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], what: str) -> None:
    """Expect tensors to be the same to the bit."""
    close(found, wanted, what, rtol=0, atol=0)


def finite(tensors: Mapping[str, Tensor], what: str) -> None:
    """Expect no NaN and no infinity."""
    for key, value in tensors.items():
        if value.is_floating_point():
            bad = int((~value.isfinite()).sum())
            expect(holds=not bad, otherwise=f"{what}: {key!r} holds {bad} of {value.numel()} that are NaN or infinite")


def is_index(case: Case, key: str) -> bool:
    """Whether a key holds more than numbers: places and names of tokens, rows that must exist."""
    return case.usual_name(key) in {"tokens", *case.draws}


def draws_numbers(case: Case) -> bool:
    """Whether the layer takes of torch's random numbers: by luck two draws may give the same."""
    if "draws" not in case.notes:
        bound = case.bound()
        inputs = case.inputs(bound)
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            before = torch.random.get_rng_state()
            case.call(bound, inputs)
            case.notes["draws"] = not torch.equal(before, torch.random.get_rng_state())
    return bool(case.notes["draws"])


# --- whom a law does not concern


def random_layer(case: Case) -> str | None:
    """Excuse layers whose outputs are drawn: rows of another batch get other numbers."""
    return "what it writes is drawn at random" if draws_numbers(case) else None


def reads_nothing(case: Case) -> str | None:
    """Excuse layers without inputs, and those whose rows share all that they write."""
    if not case.fit.reads:
        return "it reads nothing"
    shared = all(not info.batched for info in case.fit.writes.values())
    return "all rows share what it writes" if shared else random_layer(case)


def no_memory(case: Case) -> str | None:
    """Excuse layers without memory."""
    return None if isinstance(case.module, MemoryLayer) else "it keeps no memory"


def is_native(case: Case) -> bool:
    """Whether the module takes the TensorDict itself."""
    return isinstance(case.module, TensorDictModuleBase)


def elsewhere(env: EnvSpec) -> EnvSpec:
    """Return a world of the same sizes in which ids, tags and actions stand in another order."""
    ids = [feature.id for feature in env.features]
    features = tuple(
        attrs.evolve(feature, id=number) for feature, number in zip(env.features, ids[1:] + ids[:1], strict=True)
    )
    actions = env.actions
    if actions.kind == "discrete":
        actions = ActionSpec(names=actions.names[1:] + actions.names[:1])
    return attrs.evolve(env, name="elsewhere", features=features, tags=env.tags[1:] + env.tags[:1], actions=actions)
