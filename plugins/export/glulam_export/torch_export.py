"""`glulam export --to torch-export`: a program that torch alone runs.

Legend: `B` rows.
"""

from __future__ import annotations

import io
import traceback
from typing import TYPE_CHECKING, Any

import torch

from glulam import GlulamError
from glulam_export.check import check
from glulam_export.description import KEY, describe
from glulam_export.examples import draw_inputs
from glulam_export.files import named, write
from glulam_export.step import StepFunction

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor
    from torch.export import ExportedProgram

    from glulam import Policy

__all__ = ["Traced", "write_program"]

ROWS = 3  # to trace with; 1 would be taken for a constant


def write_program(policy: Policy, out: Path) -> list[Path]:
    """Write a policy's program and its description; see `glulam_export.exporters.to_torch_export`."""
    traced = Traced(policy)
    description = describe(traced.step, "torch-export", traced.inputs, traced.outputs, {})
    buffer = io.BytesIO()
    torch.export.save(traced.program, buffer, extra_files={KEY: description})
    buffer.seek(0)
    module: Any = torch.export.load(buffer).module()
    check(traced.step, module, "torch-export")
    path = named(out, ".pt2")
    return write({path: buffer.getvalue(), path.with_name(f"{path.name}.json"): description.encode()})


class Traced:
    """A policy's step function, traced for any number of rows.

    Args:
        policy: initialised to its environment.

    Attributes:
        step: the step function.
        inputs: those that it was traced with, by name.
        outputs: what it gave for them, by name.
        program: what was traced.

    Raises:
        GlulamError: if a layer cannot be traced.
    """

    def __init__(self, policy: Policy) -> None:
        self.step = StepFunction(policy)
        inputs = draw_inputs(self.step, ROWS, torch.Generator().manual_seed(0))
        self.inputs: dict[str, Tensor] = inputs | self.step.initial_memory(ROWS)
        rows = torch.export.Dim("rows", min=1)
        with torch.no_grad():
            self.outputs: dict[str, Tensor] = self.step(self.inputs)
            try:
                self.program: ExportedProgram = torch.export.export(
                    self.step, (self.inputs,), dynamic_shapes=({key: {0: rows} for key in self.inputs},), strict=False
                )
            except Exception as error:
                raise self._told(error) from error

    def _told(self, error: Exception) -> GlulamError:
        """Say which layer stopped the tracing: the innermost that was running."""
        policy = self.step.policy
        owners = {id(module): name for name, layer in policy.layers.items() for module in layer.module.modules()}
        running = (frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__))
        names = [owners[id(module)] for module in running if id(module) in owners]
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        who = f"layer {names[-1]!r} of policy {policy.resolved.name!r}" if names else f"policy {policy.resolved.name!r}"
        return GlulamError(
            f"{who} cannot be traced by torch.export: {reason}; what depends on data (.item(), if, nonzero) has to go "
            "from its code: `glulam test` holds layers to it (the law `compiles`)"
        )
