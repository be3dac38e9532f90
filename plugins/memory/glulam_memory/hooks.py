"""Advice on memories that were measured to learn poorly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import glulam
from glulam_memory.configs import LstmConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["glulam_explanations", "glulam_lints"]

SATURATED = 1.0  # of each of the two bias vectors; their sum half closes or opens every gate
EVIDENCE = "docs/results/lessons.md of glulam's repository, under 'Kinds of memory'"

GL601 = f"""\
# GL601: a memory that starts saturated

An `lstm` whose biases start at 1 has gates that are half saturated from the first step on, and learns to remember
late or never.
In `mettagrid:tmaze`, which cannot be solved without remembering, five seeds of five with biases of 1 and a skip around
the memory were no better than no memory at all after 400,000 agent-steps; with biases of 0 all five
solved it, and four had it at the end.
Without the skip three of five failed.
In `mettagrid:forage`, where a policy need not remember, each of five seeds of `fast` with biases of 1 still returned
less after 300,000 agent-steps than each of five with biases of 0.
The curves are in {EVIDENCE}.

Write `bias_init: 0.0`.
"""


@glulam.hookimpl
def glulam_lints(resolved: glulam.ResolvedPolicy) -> Iterator[glulam.Advice]:
    """Yield advice on each LSTM that starts saturated."""
    for layer in resolved.layers:
        config = layer.config
        if isinstance(config, LstmConfig) and config.bias_init >= SATURATED:
            yield glulam.Advice(
                code="GL601",
                message=f"gates start half saturated (bias_init {config.bias_init:g}), and learn late or never",
                remedy="write 'bias_init: 0.0'",
                layer=layer.name,
                field="bias_init",
                evidence=EVIDENCE,
            )


@glulam.hookimpl
def glulam_explanations() -> Mapping[str, str]:
    """Return the page of this plugin's code."""
    return {"GL601": GL601}
