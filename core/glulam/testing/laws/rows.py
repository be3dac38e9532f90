"""Laws of rows: each row is computed by itself, in whatever batch it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from glulam.testing._laws import expect, law
from glulam.testing.laws._common import close, random_layer, reads_nothing, run

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject
    from torch import Tensor

    from glulam.testing._case import Case

__all__: list[str] = []


@law("Rows in another order give the same rows in that order.", unless=reads_nothing, draws=True)
def batch_permutation(case: Case, data: DataObject) -> None:
    """Compare a permuted batch with the permuted results."""
    from hypothesis import strategies as st

    bound = case.bound()
    inputs = case.inputs(bound)
    order = torch.tensor(data.draw(st.permutations(range(case.rows))))
    whole = run(case, bound, inputs)
    moved = run(case, case.bound(), case.pick(inputs, order))
    close(moved, case.pick(whole, order), f"with the rows in the order {order.tolist()}")


@law("A row alone gives what it gives among others.", unless=reads_nothing)
def row_alone(case: Case, data: DataObject) -> None:
    """Compare each row of a batch with itself as a batch of one."""
    del data
    bound = case.bound()
    inputs = case.inputs(bound)
    whole = run(case, bound, inputs)
    for row in range(case.rows):
        only = torch.tensor([row])
        alone = run(case, case.bound(), case.pick(inputs, only))
        close(alone, case.pick(whole, only), f"row {row} of {case.rows} alone")


@law("It takes a batch of one row and a batch of none.")
def batch_of_none_and_one(case: Case, data: DataObject) -> None:
    """Compare the shapes with those of a batch of several."""
    del data
    bound = case.bound()
    several = run(case, bound, case.inputs(bound))
    for rows in (1, 0):
        again = case.bound()
        inputs = case.pick(case.inputs(bound), torch.arange(rows))
        found = run(case, again, inputs)
        for key, value in several.items():
            wanted = value.shape if case.shared(key) else (rows, *value.shape[1:])
            shape = tuple(found[key].shape)
            expect(
                holds=shape == tuple(wanted),
                otherwise=f"{key!r} of a batch of {rows} has shape {list(shape)}, expected {list(wanted)}",
            )


@law("It takes tensors that do not lie in one piece.", unless=random_layer)
def non_contiguous_input(case: Case, data: DataObject) -> None:
    """Compare results for inputs with gaps between their numbers with those for dense ones."""
    del data
    bound = case.bound()
    inputs = case.inputs(bound)
    dense = run(case, bound, inputs)
    spread = {key: _spread(value) for key, value in inputs.items()}
    close(run(case, case.bound(), spread), dense, "with inputs that do not lie in one piece")


def _spread(value: Tensor) -> Tensor:
    """Return equal numbers, every other number of a tensor twice as wide, its first two dims swapped in memory."""
    if not value.dim():
        return value
    wide = value.new_zeros(*value.shape[:-1], 2 * value.shape[-1])
    wide[..., ::2] = value
    if value.dim() == 1:
        return wide[::2]
    return wide.transpose(0, 1).contiguous().transpose(0, 1)[..., ::2]
