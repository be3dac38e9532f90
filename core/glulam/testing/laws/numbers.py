"""Laws of numbers: extremes, chance, dtypes, devices."""

from __future__ import annotations

import contextlib
import random
import sys
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from glulam.memory import MemoryLayer
from glulam.testing._laws import expect, law
from glulam.testing.laws._common import close, equal, finite, is_index, random_layer, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import DataObject

    from glulam.bound import BoundLayer
    from glulam.testing._case import Case, Tensors

__all__: list[str] = []

EXTREMES = (0.0, 1e4, -1e4, 1e-8)


@law("Large, small and equal numbers give finite ones, and a finite gradient.")
def finite_at_extremes(case: Case, data: DataObject) -> None:
    """Fill what it reads with one number, row by row another, and scale it up."""
    del data
    bound = case.bound()
    plain = case.inputs(bound)
    free = [key for key, value in plain.items() if value.is_floating_point() and not is_index(case, key)]
    free = [key for key in free if not key.startswith("state.")]
    for extreme in EXTREMES:
        inputs = plain | {key: torch.full_like(plain[key], extreme) for key in free}
        _finite(case, bound, inputs, f"with all numbers {extreme:g}")
    _finite(case, bound, plain | {key: 1e4 * plain[key] for key in free}, "with numbers of the size of 1e4")


def _finite(case: Case, bound: BoundLayer, inputs: Tensors, what: str) -> None:
    given = {key: value.detach().clone().requires_grad_(value.is_floating_point()) for key, value in inputs.items()}
    found = case.call(bound, given)
    finite(found, what)
    total = sum(value.sum() for value in found.values() if value.requires_grad)
    if isinstance(total, Tensor):
        bound.zero_grad()
        torch.autograd.backward(total)
        grads = {name: weight.grad for name, weight in bound.named_parameters() if weight.grad is not None}
        grads |= {key: value.grad for key, value in given.items() if value.grad is not None}
        finite(grads, f"the gradient {what}")


@law("Equal seeds and equal inputs give equal outputs, now, again, and in a new layer.")
def deterministic_under_seed(case: Case, data: DataObject) -> None:
    """Call one layer twice, and another made with the same seed."""
    del data
    bound = case.bound()
    inputs = case.inputs(bound)
    first = run(case, bound, inputs, seed=5)
    equal(run(case, bound, inputs, seed=5), first, "the same call again")
    equal(run(case, case.bound(), inputs, seed=5), first, "the same call of a layer made with the same seed")


@law("It seeds nothing, and takes random numbers from torch alone, and only if it is an action head.")
def random_streams_untouched(case: Case, data: DataObject) -> None:
    """Look at the random streams of Python, NumPy and torch around building it and a call."""
    del data
    with _streams_elsewhere() as others, torch.random.fork_rng(devices=[]):
        ends = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            case.build()
            ends.append(torch.random.get_rng_state())
        expect(holds=not torch.equal(*ends), otherwise="building or initialising it seeds torch's random numbers")
        bound = case.bound()
        inputs = case.inputs(bound)
        moved = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            before = torch.random.get_rng_state()
            with torch.no_grad():
                case.call(bound, inputs)
            ends[seed - 1] = torch.random.get_rng_state()
            moved.append(not torch.equal(before, ends[seed - 1]))
        expect(holds=not torch.equal(*ends), otherwise="a call seeds torch's random numbers")
        expect(holds=others() == others(first=True), otherwise="it moves the random numbers of Python or NumPy")
    # What is drawn anew in training is not what was done in rollout, so that the ratio of the two is off.
    expect(holds=not any(moved), otherwise="a call takes random numbers, and only action heads may")


@contextlib.contextmanager
def _streams_elsewhere() -> Iterator[Any]:
    """Put the streams of Python and NumPy where nobody seeds them to, and back at the end; yield a look at them."""
    numpy = sys.modules.get("numpy")
    python, old = random.getstate(), None if numpy is None else numpy.random.get_state(legacy=False)
    random.seed(987_654_321)
    if numpy is not None:
        numpy.random.seed(987_654_321)  # the old stream, which is what is looked at
    start = random.getstate(), _numpy_state()
    try:
        yield lambda *, first=False: start if first else (random.getstate(), _numpy_state())
    finally:
        random.setstate(python)
        if numpy is not None:
            numpy.random.set_state(old)


def _numpy_state() -> str:
    """Return NumPy's global stream, where anything has loaded NumPy."""
    numpy = sys.modules.get("numpy")
    return "" if numpy is None else repr(numpy.random.get_state(legacy=False))


@law("It works in double precision and in bfloat16.", unless=random_layer)
def other_dtypes(case: Case, data: DataObject) -> None:
    """Compare with single precision, to the precision of the other."""
    del data
    bound = case.bound()
    inputs = case.inputs(bound)
    for dtype, tolerance in ((torch.float64, 1e-4), (torch.bfloat16, 0.25)):
        other = case.bound().to(dtype)
        initialize = getattr(other.module, "initialize_to_environment", None)
        if callable(initialize):
            initialize(case.env, torch.device("cpu"))
        has_weights = any(True for _ in other.parameters())
        given = _in_dtype(case, inputs, dtype)
        found = run(case, other, given)
        # Of the same numbers: where a layer rounds them itself, those that are rounded here would go another way.
        wanted = run(case, bound, {key: given[key].to(value.dtype) for key, value in inputs.items()})
        for key, value in wanted.items():
            if not value.is_floating_point():
                continue
            kept = found[key].dtype == dtype or not has_weights or not _policy_float(case, key)
            expect(holds=kept, otherwise=f"in {dtype} it writes {key!r} as {found[key].dtype}")
            told, wide = {key: _bounded(found[key])}, _bounded(value)
            scale = max(1.0, float(wide.abs().max()) if wide.numel() else 1.0)
            close(told, {key: wide}, f"in {dtype}", rtol=tolerance, atol=tolerance * min(scale, 1e3))
    _in_half(case, inputs)


def _bounded(value: Tensor) -> Tensor:
    """Return numbers in single precision; what stands for the lowest number of a dtype is the same in all."""
    return value.float().clamp(-1e30, 1e30)


def _in_half(case: Case, inputs: Tensors) -> None:
    """Look for what a small number added to a divisor becomes in float16, where CPUs can compute in it."""
    other = case.bound().half()
    initialize = getattr(other.module, "initialize_to_environment", None)
    if callable(initialize):
        initialize(case.env, torch.device("cpu"))
    given = _in_dtype(case, inputs, torch.float16)
    equals = {key: torch.ones_like(value) if value.dtype == torch.float16 else value for key, value in given.items()}
    free = {key: value if is_index(case, key) else equals[key] for key, value in given.items()}
    try:
        found = run(case, other, free)
    except RuntimeError as error:
        if "not implemented for" in str(error):
            return
        raise
    finite(found, "in float16, where all numbers that it reads are equal")


def _in_dtype(case: Case, inputs: Tensors, dtype: torch.dtype) -> Tensors:
    """Return inputs as a policy of a dtype has them: what is declared to be float32, such as actions, stays so."""
    declared = {**case.fit.writes, **case.fit.reads}
    fixed = {key for key, info in declared.items() if info.dtype == "float32"}
    return {
        key: value.to(dtype) if value.dtype == torch.float32 and key not in fixed else value
        for key, value in inputs.items()
    }


def _policy_float(case: Case, key: str) -> bool:
    info = case.fit.writes.get(key)
    return info is None or info.dtype == "float"


@law("It can be moved to another device, all of it: here the one without data, `meta`.")
def meta_device(case: Case, data: DataObject) -> None:
    """Call it there, and compare shapes."""
    del data
    bound = case.bound()
    inputs = case.inputs(bound)
    wanted = run(case, bound, inputs)
    moved = case.bound().to("meta")
    initialize = getattr(moved.module, "initialize_to_environment", None)
    if callable(initialize):
        initialize(case.env, torch.device("meta"))
    if isinstance(moved.module, MemoryLayer):
        for name, value in moved.module.initial_state(1).items():
            expect(
                holds=value.device.type == "meta",
                otherwise=f"moved to another device, its state {name!r} begins on {value.device}",
            )
    given = {key: value.to("meta") for key, value in inputs.items()}
    try:
        found = run(case, moved, given)
    except RuntimeError as error:
        text = str(error)
        stuck = "not on the expected device" in text or "same device" in text or "device meta" in text
        expect(holds=not stuck, otherwise=f"on another device: {text.splitlines()[0]}")
        raise
    for key, value in found.items():
        expect(
            holds=value.device.type == "meta", otherwise=f"moved to another device, it writes {key!r} on {value.device}"
        )
        expect(
            holds=value.shape == wanted[key].shape,
            otherwise=f"on another device {key!r} has shape {list(value.shape)}, expected {list(wanted[key].shape)}",
        )
