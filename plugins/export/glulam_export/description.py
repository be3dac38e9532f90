"""What an exported step function is: names, shapes and dtypes, its memory and its world, as plain JSON."""

from __future__ import annotations

import json
from importlib import metadata
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from glulam import Policy
    from glulam_export.step import StepFunction

__all__ = ["KEY", "describe"]

KEY = "glulam.json"
"""Under which the description stands inside the files."""
FORMAT = 1
RULES = {
    "memory": "zeros at first, then each output is the next step's input; rows with dones or truncateds start anew",
    "actions": "the likeliest; to draw some, draw from full_log_probs, in the order of environment.actions.names",
}


def describe(
    step: StepFunction, form: str, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor], versions: dict[str, str]
) -> str:
    """Return the description of a step function as JSON.

    Args:
        step: the step function.
        form: `torch-export` or `onnx`.
        inputs: some that it took, `[rows, ...]` by name.
        outputs: what it gave for them.
        versions: of what is particular to the form.
    """
    policy = step.policy
    return json.dumps(
        {
            "format": FORMAT,
            "form": form,
            "policy": policy.resolved.name,
            "inputs": _tensors(inputs),
            "outputs": _tensors(outputs),
            "memory": [{"input": before, "output": after} for before, after in step.memory.items()],
            "environment": policy.env.obs_meta(),
            "aliases": policy.aliases,
            "rules": RULES,
            "versions": _versions(policy) | versions,
        },
        indent=1,
    )


def _tensors(tensors: Mapping[str, Tensor]) -> list[dict[str, Any]]:
    return [
        {"name": name, "dtype": str(value.dtype).removeprefix("torch."), "shape": ["rows", *value.shape[1:]]}
        for name, value in tensors.items()
    ]


def _versions(policy: Policy) -> dict[str, str]:
    resolved = policy.resolved
    used = {layer.distribution for layer in (*resolved.all_layers, *resolved.parts) if layer.distribution}
    return {name: metadata.version(name) for name in ("glulam", *sorted(used))} | {"torch": str(torch.__version__)}
