"""Laws of gradients: what is trained is reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from glulam.testing._laws import expect, law
from glulam.testing.laws._common import is_index

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

    from glulam.bound import BoundLayer
    from glulam.testing._case import Case, Tensors

__all__: list[str] = []

TRIES = 3  # inputs after which a gradient that was always zero is taken to be cut


def _functional(case: Case, bound: BoundLayer, inputs: Tensors, seed: int) -> Tensor | None:
    """Return a random linear function of all that is written, None where nothing of it has a gradient."""
    generator = case.generator("functional", seed)
    total = None
    for value in case.call(bound, inputs).values():
        if value.is_floating_point() and value.requires_grad:
            term = (value * torch.randn(value.shape, generator=generator)).sum()
            total = term if total is None else total + term
    return total


@law(
    "A gradient reaches every parameter.",
    unless=lambda case: None if any(w.requires_grad for w in case.module.parameters()) else "it has no parameters",
)
def gradient_to_every_parameter(case: Case, data: DataObject) -> None:
    """Take the gradient of a random linear function of the outputs, for a few inputs."""
    del data
    bound = case.bound()
    missing = {name for name, weight in bound.named_parameters() if weight.requires_grad}
    for seed in range(TRIES):
        total = _functional(case, bound, case.inputs(bound, seed=seed), seed)
        expect(holds=total is not None, otherwise="nothing that it writes has a gradient, though it has parameters")
        bound.zero_grad()
        torch.autograd.backward(total)  # type: ignore[arg-type]
        grads = {name: weight.grad for name, weight in bound.named_parameters()}
        missing -= {name for name, grad in grads.items() if grad is not None and bool((grad != 0).any())}
    expect(holds=not missing, otherwise=f"no gradient reaches the parameters {sorted(missing)}")


@law(
    "A gradient reaches every number that it reads.",
    unless=lambda case: (
        _no_choice(case) or (None if _numbers(case) else "it reads no numbers that a gradient could reach")
    ),
)
def gradient_to_every_input(case: Case, data: DataObject) -> None:
    """Take the gradient with regard to each input, for a few inputs."""
    del data
    missing = set(_numbers(case))
    for seed in range(TRIES):
        bound = case.bound()
        inputs = {
            key: value.detach().clone().requires_grad_(key in missing or key in _numbers(case))
            for key, value in case.inputs(bound, seed=seed).items()
        }
        total = _functional(case, bound, inputs, seed)
        if total is None:
            continue
        torch.autograd.backward(total)
        missing -= {key for key in missing if _is_reached(inputs[key])}
    expect(holds=not missing, otherwise=f"no gradient reaches what it reads as {sorted(missing)}")


def _no_choice(case: Case) -> str | None:
    """Excuse action heads in a world of one action each: whatever the numbers say, it is taken."""
    sizes = case.env.actions.choices or (len(case.env.actions.names),)
    alone = case.env.actions.kind != "continuous" and max(sizes) == 1
    return "its world leaves it no choice" if case.is_head and alone else None


def _is_reached(value: Tensor) -> bool:
    return value.grad is not None and bool(value.grad.count_nonzero())


def _numbers(case: Case) -> list[str]:
    bound = case.bound()
    inputs = case.inputs(bound, state=False)
    return [
        key
        for key, value in inputs.items()
        if value.is_floating_point()
        and not is_index(case, key)
        and key in case.fit.reads
        and key not in case.env.inputs
    ]
