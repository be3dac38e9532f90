"""Laws of compilers: one graph, for any batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from tensordict.nn import TensorDictModuleBase
from torch import nn

from glulam.memory import MemoryLayer
from glulam.testing._laws import expect, law
from glulam.testing.laws._common import close, random_layer, run

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject
    from torch import Tensor

    from glulam.bound import BoundLayer
    from glulam.testing._case import Case

__all__: list[str] = []


class _Core(nn.Module):
    """The layer as tensors to tensors, which is what is compiled and exported."""

    def __init__(self, case: Case, bound: BoundLayer, keys: list[str]) -> None:
        super().__init__()
        self.module = bound.module
        self.case, self.bound, self.keys = case, [bound], keys

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        found = self.case.call(self.bound[0], dict(zip(self.keys, tensors, strict=True)))
        return tuple(found.values())


def _native(case: Case) -> str | None:
    if isinstance(case.module, TensorDictModuleBase):
        return "its module takes the TensorDict itself, and runs outside of compiled code"
    return random_layer(case)


@law("It compiles into one graph, and gives the same.", unless=_native, slow=True, examples=2)
def compiles(case: Case, data: DataObject) -> None:
    """Compile the module's call with `fullgraph`, and a memory's segment as well."""
    del data
    bound = case.bound()
    inputs = case.inputs(bound)
    wanted = run(case, bound, inputs)
    torch._dynamo.reset()  # noqa: SLF001 - dynamo has no public reset in all versions
    compiled = torch.compile(_Core(case, bound, list(inputs)), fullgraph=True, backend="aot_eager")
    try:
        with torch.no_grad():
            found = compiled(*inputs.values())
    except Exception as error:  # noqa: BLE001 - dynamo raises errors of its own kinds
        told = str(error).strip().splitlines()
        expect(holds=False, otherwise=f"torch.compile(fullgraph=True) fails: {told[0] if told else error!r}")
    close(dict(zip(wanted, found, strict=True)), wanted, "compiled")


@law("It exports with a batch of any size.", unless=_native, slow=True, examples=1)
def exports(case: Case, data: DataObject) -> None:
    """Export with a dynamic batch, and call the program with another number of rows."""
    del data
    bound = case.bound()
    inputs = case.inputs(bound, rows=3)
    if not inputs or isinstance(bound.module, MemoryLayer):
        return  # a memory's step has the state among its inputs; the policy's export covers it
    batch = torch.export.Dim("batch", min=2, max=64)
    shapes: dict[str, Any] = {key: {} if case.shared(key) else {0: batch} for key in inputs}
    core = _Core(case, bound, list(inputs))
    try:
        program = torch.export.export(
            core, tuple(inputs.values()), dynamic_shapes=(tuple(shapes.values()),), strict=False
        )
    except Exception as error:  # noqa: BLE001 - export raises errors of its own kinds
        told = str(error).strip().splitlines()
        expect(holds=False, otherwise=f"torch.export with a dynamic batch fails: {told[0] if told else error!r}")
    more = case.inputs(bound, rows=5, seed=1)
    with torch.no_grad():
        found = program.module()(*more.values())
    wanted = run(case, bound, more)
    close(dict(zip(wanted, found, strict=True)), wanted, "exported, with a batch of another size")
