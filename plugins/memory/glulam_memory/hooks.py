"""Advice on memories that were measured to learn poorly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import glulam
from glulam_memory.configs import LstmConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["glulam_explanations", "glulam_lints"]

SATURATED = 1.0  # of each of the two bias vectors; their sum half closes or opens every gate

GL601 = """\
# GL601: a memory that starts saturated and that nothing bypasses

An `lstm` whose biases start at 1 has gates that are half saturated from the first step on.
Without a skip around it, everything below it learns only through those gates.
On `mettagrid:forage` a policy with both, and with small action embeddings, was no better than random play after
300,000 agent-steps, where the same policy with biases of 0, a skip and larger embeddings returned ten times as much.
The figures, one seed a variant, are in `docs/results/initialisation.md` of glulam's repository.

Write `bias_init: 0.0`, or `skip: true`, or both.
"""


@glulam.hookimpl
def glulam_lints(resolved: glulam.ResolvedPolicy) -> Iterator[glulam.Advice]:
    """Yield advice on each LSTM that starts saturated and has no skip."""
    for layer in resolved.layers:
        config = layer.config
        if isinstance(config, LstmConfig) and config.bias_init >= SATURATED and not config.skip:
            yield glulam.Advice(
                code="GL601",
                message=f"gates start half saturated (bias_init {config.bias_init:g}) and nothing bypasses the memory",
                remedy="write 'bias_init: 0.0' or 'skip: true'",
                layer=layer.name,
                field="bias_init",
            )


@glulam.hookimpl
def glulam_explanations() -> Mapping[str, str]:
    """Return the page of this plugin's code."""
    return {"GL601": GL601}
