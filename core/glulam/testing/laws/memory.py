"""Laws of memory: time, resets, slots. A reference memory is kept by hand: a dict of states by id, and `step`.

`B` rows, `T` steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from hypothesis import strategies as st
from tensordict import TensorDict
from torch import Tensor

from glulam.memory import MemoryLayer, State, mask_state
from glulam.testing._laws import expect, law
from glulam.testing.laws._common import close, equal, no_memory
from glulam.testing.strategies import env_ids, episodes

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

    from glulam.bound import BoundLayer
    from glulam.testing._case import Case

__all__: list[str] = []


def _parts(case: Case) -> tuple[BoundLayer, MemoryLayer, str]:
    """Return the bound layer, its module, and the key that it reads."""
    bound = case.bound()
    module = bound.module
    if not isinstance(module, MemoryLayer):
        raise TypeError(module)
    return bound, module, bound.in_keys[0]


def _inputs(case: Case, key: str, rows: int, steps: int) -> Tensor:
    """Return `[B, T, ...]`."""
    return torch.stack([case.draw(key, case.fit.reads[key], rows, step) for step in range(steps)], dim=1)


def _state(case: Case, bound: BoundLayer, rows: int) -> State:
    found = case.inputs(bound, rows=rows)
    return {key.removeprefix("state."): value for key, value in found.items() if key.startswith("state.")}


def _steps(layer: MemoryLayer, x: Tensor, reset: Tensor, state: State) -> tuple[Tensor, State]:
    """Return what a loop of single steps gives."""
    outputs = []
    for t in range(x.shape[1]):
        y, state = layer.step(x[:, t], mask_state(state, reset[:, t]))
        outputs.append(y)
    return torch.stack(outputs, dim=1), state


def _act(bound: BoundLayer, x: Tensor, ids: list[int], done: Tensor | None = None, cut: Tensor | None = None) -> Tensor:
    """Return the output of one step of rollout, through the slots."""
    none = torch.zeros(len(ids), dtype=torch.bool)
    td = {bound.in_keys[0]: x, "env_id": torch.tensor(ids)}
    td |= {"dones": none if done is None else done, "truncateds": none if cut is None else cut}
    found: Tensor = bound(TensorDict(td, batch_size=[len(ids)]))[bound.out_keys[0]]
    return found


@law(
    "A segment at once gives what its steps give one by one, from any state, with resets inside.",
    unless=no_memory,
    draws=True,
)
def time_folding(case: Case, data: DataObject) -> None:
    """Compare `sequence` with a loop of `step`, outputs and last state, and with itself cut in two."""
    bound, layer, key = _parts(case)
    rows, steps = case.rows, case.steps
    dones, cuts = data.draw(episodes(rows, steps))
    reset = torch.tensor(dones) | torch.tensor(cuts)
    x, state = _inputs(case, key, rows, steps), _state(case, bound, rows)
    with torch.no_grad():
        y, after = layer.sequence(x, reset, state)
        wanted, last = _steps(layer, x, reset, state)
        close({"output": y}, {"output": wanted}, f"with resets {reset.int().tolist()}")
        close(after, last, f"the state after the last step, with resets {reset.int().tolist()}")
        cut = data.draw(st.integers(1, max(1, steps - 1)))
        if cut < steps:
            first, middle = layer.sequence(x[:, :cut], reset[:, :cut], state)
            second, _ = layer.sequence(x[:, cut:], reset[:, cut:], middle)
            close({"output": torch.cat((first, second), 1)}, {"output": wanted}, f"cut in two after {cut} steps")


@law("A row's memory is its own: whoever takes part in a step, and in whatever order.", unless=no_memory, draws=True)
def env_isolation(case: Case, data: DataObject) -> None:
    """Play a schedule of rows through the slots beside a dict of states by id."""
    bound, layer, key = _parts(case)
    rows, calls = case.rows + 1, case.steps
    schedule = data.draw(env_ids(rows, calls))
    states = {row: layer.initial_state(1) for row in range(rows)}
    with torch.no_grad():
        for call, ids in enumerate(schedule):
            x = case.draw(key, case.fit.reads[key], len(ids), call)
            found = _act(bound, x, ids)
            for place, row in enumerate(ids):
                y, states[row] = layer.step(x[place : place + 1], states[row])
                wanted = {"output": y}
                close({"output": found[place : place + 1]}, wanted, f"call {call} of the schedule {schedule}, id {row}")


@law(
    "A row whose episode ended, or was cut off, starts from nothing in that very step; others go on.",
    unless=no_memory,
    draws=True,
)
def reset_before_the_step(case: Case, data: DataObject) -> None:
    """Play a few steps, then one with `dones` or `truncateds`, beside states kept by hand."""
    bound, layer, key = _parts(case)
    rows = case.rows
    ended = torch.tensor(data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows)))
    ended[0] = True
    ids = list(range(rows))
    with torch.no_grad():
        for flag in ("dones", "truncateds"):
            layer.reset_memory()
            state = layer.initial_state(rows)
            for step in range(3):
                x = case.draw(key, case.fit.reads[key], rows, step)
                reset = ended if step == 2 else torch.zeros_like(ended)  # noqa: PLR2004 - the last
                found = _act(bound, x, ids, **({"done": reset} if flag == "dones" else {"cut": reset}))
                wanted, state = layer.step(x, mask_state(state, reset))
                close({"output": found}, {"output": wanted}, f"step {step}, {flag} {ended.tolist()} before the last")


@law("After `reset_memory` it does what a new layer does.", unless=no_memory)
def reset_memory_is_fresh(case: Case, data: DataObject) -> None:
    """Compare the first step after it with the first step ever."""
    del data
    bound, layer, key = _parts(case)
    ids = list(range(case.rows))
    with torch.no_grad():
        first = _act(bound, case.draw(key, case.fit.reads[key], case.rows), ids)
        for step in range(2):
            _act(bound, case.draw(key, case.fit.reads[key], case.rows, step + 1), ids)
        layer.reset_memory()
        again = _act(bound, case.draw(key, case.fit.reads[key], case.rows), ids)
    close({"output": again}, {"output": first}, "the first step after reset_memory()")


@law("Room for more rows leaves the memory of those that are there.", unless=no_memory)
def growth_keeps_memory(case: Case, data: DataObject) -> None:
    """Play two rows, then the same with many more, beside a layer that had room from the start."""
    del data
    small, _, key = _parts(case)
    large = case.bound()
    large.module.slots.reserve(64)  # type: ignore[union-attr,operator]
    with torch.no_grad():
        for step, rows in enumerate((2, 2, 2 + case.rows)):
            x = case.draw(key, case.fit.reads[key], rows, step)
            ids = list(range(rows))
            close({"output": _act(small, x, ids)}, {"output": _act(large, x, ids)}, f"step {step}, {rows} rows")


@law("Training a segment leaves the memory of rollout as it was.", unless=no_memory)
def training_leaves_memory_alone(case: Case, data: DataObject) -> None:
    """Compare the slots before and after `sequence` and its backward."""
    del data
    bound, layer, key = _parts(case)
    with torch.no_grad():
        _act(bound, case.draw(key, case.fit.reads[key], case.rows), list(range(case.rows)))
    before = {name: value.clone() for name, value in layer.slots.tensors.items()}
    x = _inputs(case, key, case.rows, case.steps)
    y, _ = layer.sequence(x, torch.zeros(case.rows, case.steps, dtype=torch.bool), _state(case, bound, case.rows))
    if y.requires_grad:
        torch.autograd.backward(y.sum())
    equal(layer.slots.tensors, before, "the memory of rollout after a segment was trained")


@law("No graph reaches from one step of rollout into the next.", unless=no_memory)
def no_graph_across_steps(case: Case, data: DataObject) -> None:
    """Step with gradients on, and look at what is remembered."""
    del data
    bound, layer, key = _parts(case)
    ids = list(range(case.rows))
    for step in range(3):
        y = _act(bound, case.draw(key, case.fit.reads[key], case.rows, step), ids)
        if y.requires_grad:
            torch.autograd.backward(y.sum())  # fails where the graph of the step before is part of this one
        kept = [name for name, value in layer.slots.tensors.items() if value.requires_grad]
        expect(holds=not kept, otherwise=f"the memory {kept} of rollout carries a graph")


@law("A gradient reaches the first step of a segment, and the state before it.", unless=no_memory)
def gradient_reaches_the_first_step(case: Case, data: DataObject) -> None:
    """Take gradients of two steps without a reset: of the last for the first input, of both for the state before."""
    del data
    bound, layer, key = _parts(case)
    x = _inputs(case, key, case.rows, 2).requires_grad_()
    state = {
        name: value.detach().clone().requires_grad_(value.is_floating_point())
        for name, value in _state(case, bound, case.rows).items()
    }
    y, _ = layer.sequence(x, torch.zeros(case.rows, 2, dtype=torch.bool), state)
    weights = torch.randn(y.shape, generator=case.generator("functional"))
    (first,) = torch.autograd.grad((y * weights)[:, -1].sum(), x, retain_graph=True, allow_unused=True)
    reached = first is not None and bool(first[:, 0].abs().sum() > 0)
    expect(holds=reached, otherwise="the last output of a segment has no gradient with regard to its first input")
    torch.autograd.backward((y * weights).sum())
    floats = {name: value for name, value in state.items() if value.is_floating_point()}
    dead = [name for name, value in floats.items() if value.grad is None or not bool(value.grad.abs().sum() > 0)]
    expect(holds=len(dead) < max(1, len(floats)), otherwise=f"no gradient reaches the state {dead} before a segment")


@law("No checkpoint holds the memory of rollout.", unless=no_memory)
def memory_not_in_checkpoint(case: Case, data: DataObject) -> None:
    """Compare the state dict before and after a few steps, and load it into a new layer."""
    del data
    bound, _, key = _parts(case)
    before = {name: value.clone() for name, value in bound.state_dict().items() if isinstance(value, Tensor)}
    with torch.no_grad():
        for step in range(2):
            _act(bound, case.draw(key, case.fit.reads[key], case.rows, step), list(range(case.rows)))
    after = {name: value for name, value in bound.state_dict().items() if isinstance(value, Tensor)}
    grown = sorted({*after} - {*before})
    expect(holds=not grown, otherwise=f"the state dict holds {grown} after a few steps: memory of rollout")
    equal(after, before, "the state dict after a few steps of rollout")
    case.bound(seed=1).load_state_dict(bound.state_dict())
