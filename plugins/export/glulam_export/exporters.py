"""What this plug-in offers to `glulam export`; torch is imported once one of them is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from glulam import Policy

__all__ = ["to_onnx", "to_torch_export"]


def to_torch_export(policy: Policy, out: Path, *, greedy: bool | None = None, seed: int | None = None) -> list[Path]:
    """Write the step function of a policy as a program of `torch.export`, and its description beside it.

    Args:
        policy: initialised to its environment.
        out: the file; `.pt2` is added if need be.
        greedy: True or None; nothing is drawn.
        seed: None, likewise.

    Raises:
        GlulamError: if a layer cannot be traced, the program differs from the policy, or the file cannot be written.
    """
    from glulam_export.step import refuse_drawing
    from glulam_export.torch_export import write_program

    refuse_drawing("torch-export", greedy=greedy, seed=seed)
    return write_program(policy, out)


def to_onnx(policy: Policy, out: Path, *, greedy: bool | None = None, seed: int | None = None) -> list[Path]:
    """Write the step function of a policy as an ONNX model, and its description beside it.

    Args:
        policy: initialised to its environment.
        out: the file; `.onnx` is added if need be.
        greedy: True or None; nothing is drawn.
        seed: None, likewise.

    Raises:
        GlulamError: if a package is missing, a layer cannot be traced or has no ONNX form, the model differs from the
            policy, or the file cannot be written.
    """
    from glulam_export.onnx import write_model
    from glulam_export.step import refuse_drawing

    refuse_drawing("onnx", greedy=greedy, seed=seed)
    return write_model(policy, out)
