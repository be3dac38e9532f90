"""`glulam export --to onnx`: a model that ONNX Runtime runs.

Legend: `B` rows.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch

from glulam import GlulamError
from glulam_export.check import check
from glulam_export.description import KEY, describe
from glulam_export.files import named, write
from glulam_export.torch_export import Traced

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor

    from glulam import Policy

__all__ = ["write_model"]

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
TALKERS = ("torch.onnx", "onnxscript", "onnx_ir")


def write_model(policy: Policy, out: Path) -> list[Path]:
    """Write a policy's model and its description; see `glulam_export.exporters.to_onnx`.

    Raises:
        GlulamError: if a package is missing, a layer has no ONNX form, or what was made computes something else.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        msg = f"--to onnx needs {', '.join(missing)}: pip install {' '.join(missing)}"
        raise GlulamError(msg)
    traced = Traced(policy)
    model = _converted(traced)
    opset = next(item.version for item in model.opset_import if item.domain == "")
    description = describe(traced.step, "onnx", traced.inputs, traced.outputs, {"opset": str(opset)})
    _label(model, description)
    content: bytes = model.SerializeToString()
    check(traced.step, _session(content), "onnx")
    path = named(out, ".onnx")
    return write({path: content, path.with_name(f"{path.name}.json"): description.encode()})


def _converted(traced: Traced) -> Any:  # noqa: ANN401 - a protobuf message
    inputs, outputs = list(traced.inputs), list(traced.outputs)
    try:
        with _quiet():
            program = torch.onnx.export(
                traced.program, dynamo=True, verbose=False, input_names=inputs, output_names=outputs
            )
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        name = traced.step.policy.resolved.name
        msg = f"policy {name!r} has no ONNX form: {reason}; write --to torch-export for a program that torch runs"
        raise GlulamError(msg) from error
    if program is None:
        msg = "torch.onnx.export gave no program"
        raise GlulamError(msg)
    return program.model_proto


def _label(model: Any, description: str) -> None:  # noqa: ANN401 - a protobuf message
    """Put the description into a model, and call its free dim `rows`."""
    graph = model.graph
    del graph.value_info[:]  # shapes in between, in terms of the dim's old name
    for value in (*graph.input, *graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_param = "rows"
    entry = model.metadata_props.add()
    entry.key, entry.value = KEY, description


def _session(content: bytes) -> Any:  # noqa: ANN401 - a function of tensors by name
    """Return a model as a function, run by ONNX Runtime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_outputs()]

    def run(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        found = session.run(names, {name: value.numpy() for name, value in inputs.items()})
        return {name: torch.from_numpy(value) for name, value in zip(names, found, strict=True)}

    return run


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Let the converter keep to itself what it thinks of torch's insides and of packages that are not needed."""
    loggers = [logging.getLogger(name) for name in TALKERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
