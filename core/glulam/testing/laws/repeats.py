"""The law of rows that repeat: by the distinct ones a layer gives what it gives for all; see `glulam.Repeated`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest import mock

import torch

from glulam import repeated
from glulam.bound import as_tuple
from glulam.repeated import Index, Repeated, goes_with_forward
from glulam.testing._laws import law
from glulam.testing.laws._common import close, random_layer

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

    from glulam.bound import BoundLayer
    from glulam.testing._case import Case, Tensors

__all__: list[str] = []

ROUNDING = 1e-4  # of float32
SAYS = ("repeated", "row_wise", "takes_repeated")


def silent(case: Case) -> str | None:
    """Excuse layers that say nothing of rows that repeat."""
    if not any(goes_with_forward(case.module, name) for name in SAYS):
        return "it says nothing of rows that repeat"
    return random_layer(case)


@law("By its distinct rows it gives what it gives for all of them.", unless=silent, draws=True)
def repeated_rows(case: Case, data: DataObject) -> None:
    """Compare results and gradients of tensors in which rows repeat, written out and by their distinct rows."""
    from hypothesis import strategies as st

    bound = case.bound()
    inputs = case.inputs(bound)
    size = next(value.shape[:2] for value in inputs.values() if value.dim() > 1)
    sets = [key for key, value in inputs.items() if value.dim() > 1 and value.shape[:2] == size]
    places = size.numel()
    count = data.draw(st.integers(min(1, places), places), label="distinct rows")
    codes = torch.randint(max(1, count), size, generator=case.generator("rows that repeat"))
    index = Index.of(codes, max(1, count))
    tables = {key: _leaf(inputs[key].flatten(0, 1).index_select(0, index.first)) for key in sets}
    written_out = inputs | {key: table[index.row.long()] for key, table in tables.items()}
    wanted = case.call(bound, written_out)
    if goes_with_forward(bound.module, "repeated"):
        found = _looked_for(bound, written_out)
    elif goes_with_forward(bound.module, "takes_repeated"):
        by_row: dict[str, Any] = {key: Repeated(table, index) for key, table in tables.items()}
        found = case.call(bound, inputs | by_row)
    else:
        (key,) = bound.in_keys
        found = {bound.out_keys[0]: Repeated(tables[key], index).map(bound.module).dense()}
    what = f"with {index.first.numel()} distinct rows of {places}"
    close(found, wanted, what)
    leaves = {name: leaf for name, leaf in (*tables.items(), *bound.named_parameters()) if leaf.requires_grad}
    gradients = _gradients(case, wanted, leaves)
    # Sums in another order, of terms as large as the largest gradient.
    largest = max((float(value.abs().max()) for value in gradients.values() if value.numel()), default=0.0)
    atol = ROUNDING * max(1.0, largest)
    close(_gradients(case, found, leaves), gradients, f"{what}, the gradient", rtol=ROUNDING, atol=atol)


def _looked_for(bound: BoundLayer, inputs: Tensors) -> Tensors:
    """Return what a layer writes that looks for rows that repeat, however few there are."""
    arguments = [None if key is None else inputs.get(key) for key in bound.arguments]
    with mock.patch.multiple(repeated, MANY=0, REPEATS=0):
        result = as_tuple(bound.module.repeated(*arguments), len(bound.out_keys), "repeated")  # type: ignore[operator]
    tensors = (part.dense() if isinstance(part, Repeated) else part for part in result)
    return dict(zip(bound.out_keys, tensors, strict=True))


def _leaf(table: torch.Tensor) -> torch.Tensor:
    return table.detach().requires_grad_(table.is_floating_point())


def _gradients(case: Case, outputs: Tensors, leaves: Tensors) -> Tensors:
    """Return the gradients of a weighted sum of all outputs, zeros where there is none."""
    total = [
        (value * torch.randn(value.shape, generator=case.generator(key)).to(value)).sum()
        for key, value in outputs.items()
        if value.requires_grad
    ]
    if not (total and leaves):
        return {}
    found = torch.autograd.grad(sum(total), list(leaves.values()), allow_unused=True, retain_graph=True)  # type: ignore[arg-type]
    return {
        name: torch.zeros_like(leaf) if grad is None else grad
        for (name, leaf), grad in zip(leaves.items(), found, strict=True)
    }
